"""Starting is quick and importing is harmless: `--help` without torch, no file, no warning, no thread left behind."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from policy import SRC, say, sources

START_SECONDS = 0.3
HEAVY = (
    "torch",
    "transformers",
    "diffusers",
    "datasets",
    "kornia",
    "matplotlib",
    "scipy",
    "pandas",
    "openai",
    "optuna",
)
HELP = [
    sys.executable,
    "-c",
    "import sys; from counterfactory.cli import main; sys.argv = ['counterfactory', '--help']; main()",
]

IMPORT_ALL = """
import importlib, json, sys, threading, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in json.loads(sys.argv[1]):
        importlib.import_module(name)
ours = [f"{w.filename}:{w.lineno}: {w.message}" for w in caught if w.filename.startswith(sys.argv[2])]
print(json.dumps({"warnings": ours, "threads": [t.name for t in threading.enumerate()][1:]}))
"""


def test_help_is_there_at_once():
    best = min(_seconds(HELP) for _ in range(5))
    assert best < START_SECONDS, f"--help took {best:.2f} s at best of five; python -X importtime tells where it goes"


def test_the_command_line_is_there_without_heavy_libraries():
    code = f"import sys, counterfactory.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split(), f"importing counterfactory.cli brings in {done.stdout}"


def test_importing_leaves_nothing_behind(tmp_path: Path):
    folders = {name: tmp_path / name for name in ("work", "home", "tmp")}
    for folder in folders.values():
        folder.mkdir()
    left = _import_all(folders)
    assert not left["warnings"], say(left["warnings"])
    assert not left["threads"], f"importing starts threads: {left['threads']}"
    files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and not _is_theirs(path)]
    assert not files, f"importing writes files: {files}"


def _import_all(folders: dict[str, Path]) -> dict[str, list[str]]:
    """Import every module in a process whose work, home and temporary folders are empty."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "MPL"))}
    env |= {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"]), "PYTHONDONTWRITEBYTECODE": "1"}
    names = json.dumps([module.name for module in sources()])
    command = [sys.executable, "-c", IMPORT_ALL, names, str(SRC)]
    done = subprocess.run(command, cwd=folders["work"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _is_theirs(path: Path) -> bool:
    """What matplotlib keeps in a home folder when it is imported."""
    return "matplotlib" in path.parts


def _seconds(command: list[str]) -> float:
    """What the process took of a processor: its time on an idle machine, however busy this one is."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

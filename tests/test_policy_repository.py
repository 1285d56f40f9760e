"""What may lie in the repository: nothing large, no weights, no data, no traces of one machine; versions that fit."""

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from policy import ROOT, Source, guarded, imports, project_files, say, source, sources

LARGEST = 16 * 2**20
WEIGHTS_AND_DATA = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".npz", ".parquet", ".arrow", ".db"}
# Written in parts, so that this file does not show what it looks for.
ONE_MACHINE = re.compile(r"(?<![\w.~$/-])/(?:wo" + r"rk|ro" + r"ot|home/\w+)/[\w.]")
INDEX = re.compile(r"py" + r"pi\.org|python" + r"hosted|download\.py" + r"torch|--(?:extra-)?index" + "-url")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_files_are_small_and_hold_no_weights_and_no_data():
    problems = [f"{p.relative_to(ROOT)}: {why}" for p in project_files() if (why := unwanted(p.name, p.stat().st_size))]
    assert not problems, say(problems)


def test_no_file_names_one_machine_or_one_index():
    problems = []
    for path in project_files():
        lines = path.read_text(encoding="utf-8", errors="ignore").splitlines() if _is_text(path) else []
        problems += [
            f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}" for n, line in enumerate(lines, 1) if traces(line)
        ]
    assert not problems, say(problems)


def test_every_library_that_the_package_imports_is_asked_for():
    problems = [problem for module in sources() for problem in undeclared(module, _asked_for())]
    assert not problems, say(problems)


def test_every_requirement_has_a_tested_version_that_fits():
    pins = _pins()
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        asked = Requirement(text)
        assert canonicalize_name(asked.name) in pins, f"constraints.txt has no version of {asked.name}"
        assert asked.specifier.contains(pins[canonicalize_name(asked.name)]), (
            f"constraints.txt: {text} does not allow it"
        )
    assert pins["torch"] == "2.13.0", "torch is pinned without a build tag, so that any build of it fits"


def test_every_file_opens_without_the_machine_it_was_made_on():
    assert not [path for path in project_files() if path.is_symlink()], "links may lead out of the repository"


def unwanted(name: str, size: int) -> str | None:
    """Why a file does not belong here."""
    if Path(name).suffix in WEIGHTS_AND_DATA:
        return f"{Path(name).suffix} files are data or pickled weights: weights ship as safetensors, data never"
    return f"{size / 2**20:.1f} MiB, at most 16" if size > LARGEST else None


def traces(line: str) -> bool:
    """Whether a line holds a path of one machine or the address of a package index."""
    return bool(ONE_MACHINE.search(line) or INDEX.search(line))


def undeclared(module: Source, asked_for: set[str]) -> list[str]:
    """Imports that pyproject.toml does not ask for; they would be there only by luck."""
    known = {*sys.stdlib_module_names, "counterfactory"}
    firm = ((line, name.partition(".")[0]) for line, name in imports(module) if line not in guarded(module))
    return [
        f"{module.where}:{line}: {library} is not in pyproject.toml"
        for line, library in firm
        if library not in known and not _owners(library) & asked_for
    ]


def _owners(library: str) -> set[str]:
    """The distributions that an imported library may come from."""
    return {canonicalize_name(owner) for owner in _distributions().get(library, [library])}


_distributions = cache(packages_distributions)


def _asked_for() -> set[str]:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    return {canonicalize_name(Requirement(text).name) for text in [*PROJECT["dependencies"], *extras]}


def _pins() -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:4096]


def test_a_weight_file_and_a_large_file_are_seen():
    assert unwanted("model.ckpt", 1)
    assert unwanted("model.safetensors", LARGEST + 1)
    assert not unwanted("model.safetensors", LARGEST)


def test_traces_of_a_machine_are_seen_and_other_paths_are_not():
    assert traces("open('/" + "root/data.csv')")
    assert traces("pip install --index" + "-url x")
    assert not traces("see docs/" + "work/plan.md and /photos/cat.png and network" + "/root" + "/")


def test_an_import_that_nobody_asked_for_is_seen():
    assert undeclared(source("counterfactory.store", "import os, yaml\nimport sqlalchemy"), {"pyyaml"}) == [
        "counterfactory/store.py:2: sqlalchemy is not in pyproject.toml"
    ]

"""The one place that deletes: runs by name, and whatever no run names any more."""

import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from counterfactory.blobs import Blobs
from counterfactory.errors import BadConfig, writing
from counterfactory.run import UsedKeys, beginning, locked
from counterfactory.store import Store

DIGEST = re.compile(r'"digest":"([0-9a-f]{32})"')
KEY = re.compile(r"[0-9a-f]{32}")
MARKS = ("run.yaml", "used.keys", "used.keys.part", ".lock")  # any of them makes a folder a run


def prune(workspace: Path, doomed: Sequence[Path], dry: bool) -> dict[str, int]:
    """Delete the doomed runs and all that the others do not need; returns how many of each kind went or would go."""
    workspace, doomed = workspace.resolve(), sorted(set(doomed))
    if not workspace.is_file() and not (workspace / "store.db").exists():
        raise BadConfig(f"There is no workspace {workspace}; give the --workspace that the runs lie in.")
    with ExitStack() as held:
        held.enter_context(beginning(workspace))
        runs = run_folders(workspace)
        for folder in doomed:
            if folder not in runs:
                raise BadConfig(f"{folder} is not a run of {workspace}: give the --workspace that it lies in.")
        for folder in runs:  # where one is at work, that is told and nothing is touched
            held.enter_context(locked(folder / ".lock"))
        return _pruned(workspace, doomed, runs, dry)


def discard(folder: Path) -> None:
    """Delete the folder of a run that was refused before it made anything, by whoever holds its lock."""
    with beginning(folder.parent), writing(folder):
        shutil.rmtree(folder)


def run_folders(workspace: Path) -> list[Path]:
    """The folders of a workspace that are runs, by name; also one that was killed before it wrote its record."""
    return sorted({path.parent for mark in MARKS for path in workspace.resolve().glob(f"*/{mark}")})


def _pruned(workspace: Path, doomed: Sequence[Path], runs: Sequence[Path], dry: bool) -> dict[str, int]:
    kept = {key for folder in runs if folder not in doomed for key in UsedKeys(folder).all()}
    blobs = Blobs(workspace / "blobs")
    with closing(Store(workspace / "store.db")) as store:
        results = store.unnamed(kept)
        images = _orphans(blobs, store, kept)
        models = [path for path in workspace.glob("artifacts/*") if KEY.fullmatch(path.name)]
        models = [path for path in models if bytes.fromhex(path.name) not in kept]
        halves = blobs.halves()
        if not dry:
            with writing(workspace):
                store.forget(results)
                store.shrink()
                _delete([*doomed, *models], [*images, *halves, *(path.with_suffix(".lock") for path in models)])
    counts = {"runs": doomed, "results": results, "images": images, "models": models, "fragments": halves}
    return {kind: len(gone) for kind, gone in counts.items()}


def _orphans(blobs: Blobs, store: Store, kept: set[bytes]) -> list[Path]:
    """Blobs that no kept result speaks of; a rendered scene among them is rendered again when it is asked for."""
    named: set[str] = set()
    for value in store.values(kept):
        named.update(DIGEST.findall(value))
    return [blobs.path(name) for name in blobs if name not in named]


def _delete(folders: Sequence[Path], files: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)
    for path in files:
        path.unlink(missing_ok=True)

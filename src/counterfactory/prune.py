"""The one place that deletes: runs by name, and whatever no run names any more."""

import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from counterfactory.blobs import Blobs
from counterfactory.errors import writing
from counterfactory.run import UsedKeys, locked
from counterfactory.store import Store

DIGEST = re.compile(r'"digest":"([0-9a-f]{32})"')


def prune(workspace: Path, doomed: Sequence[Path], runs: Sequence[Path], dry: bool) -> dict[str, int]:
    """Delete the doomed runs and all that the others do not need; returns how many of each kind went or would go."""
    with ExitStack() as held:
        for folder in runs:  # where one is at work, that is told and nothing is touched
            held.enter_context(locked(folder))
        return _pruned(workspace, doomed, runs, dry)


def _pruned(workspace: Path, doomed: Sequence[Path], runs: Sequence[Path], dry: bool) -> dict[str, int]:
    kept = {key for folder in runs if folder not in doomed for key in UsedKeys(folder).all()}
    store = Store(workspace / "store.db")
    results = store.unnamed(kept)
    blobs = _orphans(Blobs(workspace / "blobs"), store, kept)
    artifacts = [path for path in workspace.glob("artifacts/*") if bytes.fromhex(path.name) not in kept]
    if not dry:
        with writing(workspace):
            store.forget(results)
            for folder in [*doomed, *artifacts]:
                shutil.rmtree(folder)
            for path in blobs:
                path.unlink(missing_ok=True)
    store.close()
    return {"runs": len(doomed), "results": len(results), "images": len(blobs), "models": len(artifacts)}


def _orphans(blobs: Blobs, store: Store, kept: set[bytes]) -> list[Path]:
    """Blobs that no kept result speaks of; a rendered scene among them is rendered again when it is asked for."""
    named: set[str] = set()
    for value in store.values(kept):
        named.update(DIGEST.findall(value))
    return [blobs.path(name) for name in blobs if name not in named]

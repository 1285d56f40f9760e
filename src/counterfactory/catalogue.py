"""The models that this machine can name without a network."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A model that can be given by name."""

    name: str
    kind: str
    where: str


def models(workspace: Path) -> list[Listed]:
    """Classifiers trained in this workspace, then what the hub's cache holds."""
    return [*_trained(workspace), *_cached()]


def _trained(workspace: Path) -> list[Listed]:
    folders = sorted(path.parent for path in workspace.glob("*/model/config.json"))
    return [
        Listed(name=str(folder), kind="classifier", where=f"trained by the run {folder.parent.name}")
        for folder in folders
    ]


def _cached() -> list[Listed]:
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        found = scan_cache_dir()
    except CacheNotFound:
        return []
    repositories = sorted((repo for repo in found.repos if repo.repo_type == "model"), key=lambda repo: repo.repo_id)
    return [Listed(name=repo.repo_id, kind="hub", where=str(repo.repo_path)) for repo in repositories]

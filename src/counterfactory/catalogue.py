"""The models that this machine can name without a network."""

import json
from dataclasses import dataclass
from pathlib import Path

from counterfactory.shipped import shipped_folder, shipped_names


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A model that can be given by name."""

    name: str
    kind: str
    where: str


def models(workspace: Path) -> list[Listed]:
    """What ships with the package, what was trained in this workspace, then what the hub's cache holds."""
    return [*_shipped(), *_trained(workspace), *_cached()]


def _shipped() -> list[Listed]:
    return [Listed(name=name, kind=_kind(name), where="ships with Counterfactory") for name in shipped_names()]


def _kind(name: str) -> str:
    """What a shipped model is for the library that loads it."""
    for said in (shipped_folder(name) / file for file in ("model_index.json", "config.json")):
        if said.is_file():
            config = json.loads(said.read_text(encoding="utf-8"))
            return str(config.get("_class_name") or (config.get("architectures") or ["judge"])[0])
    return "adapter"


def _trained(workspace: Path) -> list[Listed]:
    kinds = {"config.json": "classifier", "model_index.json": "denoiser"}
    return [
        Listed(name=str(path.parent), kind=kinds[path.name], where=f"trained by the run {path.parent.parent.name}")
        for path in sorted(workspace.glob("*/model/*.json"))
        if path.name in kinds
    ]


def _cached() -> list[Listed]:
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        found = scan_cache_dir()
    except CacheNotFound:
        return []
    repositories = sorted((repo for repo in found.repos if repo.repo_type == "model"), key=lambda repo: repo.repo_id)
    return [Listed(name=repo.repo_id, kind="hub", where=str(repo.repo_path)) for repo in repositories]

"""What this machine can do, and how to mend what is missing. Looks; changes nothing."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from counterfactory.errors import Unavailable
from counterfactory.names import is_offline
from counterfactory.shipped import shipped_folder, shipped_names


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    seen: str
    fine: bool = True
    remedy: str = ""


def examine(workspace: Path) -> list[Finding]:
    """Every finding, the machine's first."""
    looks: tuple[Callable[[], Finding], ...] = (_python, _torch, _device, _memory, _libraries, _torchvision, _zoo, _hub)
    return [*[look() for look in looks], _workspace(workspace)]


def _python() -> Finding:
    return Finding(
        what="python",
        seen=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        fine=sys.version_info >= (3, 11),
    )


def _torch() -> Finding:
    if not find_spec("torch"):
        return Finding(what="torch", seen="missing", fine=False, remedy="pip install -c constraints.txt torch")
    import torch

    return Finding(what="torch", seen=f"{torch.__version__}, {torch.get_num_threads()} threads")


def _device() -> Finding:
    from counterfactory.worker import accelerator

    found = accelerator()
    remedy = "" if found else "everything works without one, slower; torch needs a build for your accelerator to see it"
    return Finding(what="device", seen=found or f"cpu only, {os.cpu_count()} cores", remedy=remedy)


def _memory() -> Finding:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    gib = pages / 2**30
    return Finding(
        what="memory",
        seen=f"{gib:.1f} GiB",
        fine=gib >= 4,
        remedy="" if gib >= 4 else "use --set batch_size=4 and --limit",
    )


def _libraries() -> Finding:
    names = (
        "diffusers",
        "transformers",
        "accelerate",
        "peft",
        "kornia",
        "datasets",
        "optuna",
        "torchmetrics",
        "safetensors",
    )
    missing = [name for name in names if not find_spec(name)]
    seen = ", ".join(f"{name} {_version(name)}" for name in names if name not in missing)
    remedy = f"pip install -c constraints.txt {' '.join(missing)}" if missing else ""
    return Finding(
        what="libraries",
        seen=seen + (f"; missing: {', '.join(missing)}" if missing else ""),
        fine=not missing,
        remedy=remedy,
    )


def _torchvision() -> Finding:
    """A torchvision that was built for another torch breaks transformers at import; nothing here needs it."""
    if not find_spec("torchvision"):
        return Finding(what="torchvision", seen="not installed, not needed")
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError, AttributeError) as error:
        return Finding(what="torchvision", seen=f"broken ({error})", fine=False, remedy="pip uninstall torchvision")
    return Finding(what="torchvision", seen=f"{_version('torchvision')}, not needed")


def _zoo() -> Finding:
    """Every file of the models that ship is as it was packed."""
    try:
        names = shipped_names()
        for name in names:
            shipped_folder(name)
    except Unavailable as error:
        return Finding(what="zoo", seen="damaged", fine=False, remedy=str(error))
    remedy = "" if names else "this installation holds no zoo; `make zoo` trains it in a checkout of the sources"
    return Finding(what="zoo", seen=f"{len(names)} models, whole", fine=bool(names), remedy=remedy)


def _hub() -> Finding:
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = len(list(Path(HF_HUB_CACHE).glob("models--*")))
    offline = "offline by HF_HUB_OFFLINE" if is_offline() else "the hub is tried only for a hub id that is not cached"
    return Finding(what="model cache", seen=f"{cached} models in {HF_HUB_CACHE}; {offline}")


def _workspace(workspace: Path) -> Finding:
    there = next(path for path in (workspace, *workspace.parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**30
    try:
        with tempfile.TemporaryFile(dir=there):
            writable = True
    except OSError:
        writable = False
    remedy = "" if writable and free >= 2 else "choose another --workspace or make room"
    seen = f"{workspace}, {free:.1f} GiB free{'' if writable else ', not writable'}"
    return Finding(what="workspace", seen=seen, fine=writable and free >= 2, remedy=remedy)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"

"""Models are names, never code: what a name stands for, as a content identity and as a folder."""

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args

from counterfactory.errors import BadConfig, Unavailable

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")


class _ModelNameMark:
    """Marks a field that names a model: its key is what the files hold and not what they are called."""


ModelName = Annotated[str, _ModelNameMark()]


def is_model_name(field: Any) -> bool:
    """Whether a pydantic field was declared as `ModelName`, alone or beside other types."""
    declared = (field, *get_args(field.annotation))
    marks = [mark for part in declared for mark in getattr(part, "metadata", getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, _ModelNameMark) for mark in marks)


def identity(name: str | None) -> str | None:
    """The content that a name stands for: a hub commit, or a digest of a folder's files; other names are themselves."""
    if not name:  # the empty path would be the current folder
        return name
    if Path(name).exists():
        return folder_identity(Path(name))
    if HUB_ID.fullmatch(name):
        return hub_identity(name)
    return name


def folder_identity(path: Path) -> str:
    """A digest of every file below a folder; a file that keeps its size and time is read once."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        state = file.stat()
        whole.update(str(file.relative_to(path)).encode())
        whole.update(_file_digest(str(file), state.st_size, state.st_mtime_ns))
    return "files:" + whole.hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(file: str, _size: int, _time: int) -> bytes:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest()


def hub_identity(name: str) -> str:
    """The commit that a hub id stands for in this machine's cache."""
    return f"hub:{name.partition('@')[0]}@{model_folder(name).name}"


@lru_cache(maxsize=256)
def model_folder(name: str) -> Path:
    """The local folder of a model: a path as it is, a hub id from the cache or, where that is allowed, from the hub."""
    if Path(name).is_dir():
        return Path(name)
    if not HUB_ID.fullmatch(name):
        raise BadConfig(f"{name!r} is neither a folder nor a hub id (owner/model or owner/model@revision).")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision or None,
                local_files_only=is_offline(),
                ignore_patterns=["*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5", "*.onnx"],
            )
        )
    except (LocalEntryNotFoundError, OSError) as error:
        raise Unavailable(
            f"The model {name!r} is not in this machine's cache and the hub cannot be reached. "
            "Give a local folder, or fetch it where there is a network."
        ) from error


def is_offline() -> bool:
    """Whether the person said that the hub must not be tried."""
    return any(
        os.environ.get(flag, "").lower() in {"1", "true", "yes"} for flag in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )

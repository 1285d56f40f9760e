"""Models are names, never code: what a name stands for, as a content identity and as a folder."""

import os
import re
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, get_args

from counterfactory.errors import BadConfig, Unavailable, nearest
from counterfactory.shipped import (
    file_digest,
    files_identity,
    is_shipped,
    shipped_folder,
    shipped_identity,
    shipped_names,
)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")  # loading such a file runs what it says
PATIENCE = 2.0  # seconds that the hub is given to say anything at all; its own client waits for minutes


class _ModelNameMark:
    """Marks a field that names a model: its key is what the files hold and not what they are called."""


ModelName = Annotated[str, _ModelNameMark()]


def is_model_name(field: Any) -> bool:
    """Whether a pydantic field was declared as `ModelName`, alone or beside other types."""
    declared = (field, *get_args(field.annotation))
    marks = [mark for part in declared for mark in getattr(part, "metadata", getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, _ModelNameMark) for mark in marks)


def identity(name: str | None) -> str | None:
    """The content that a name stands for: a hub commit, or a digest of its files; other names are themselves."""
    if not name:  # the empty path would be the current folder
        return name
    if is_shipped(name):
        return shipped_identity(name)
    if Path(name).exists():
        return folder_identity(Path(name))
    if HUB_ID.fullmatch(name):
        return hub_identity(name)
    return name


def folder_identity(path: Path) -> str:
    """A digest of every file below a folder; a file that keeps its size and time is read once."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return files_identity({file.relative_to(path): file_digest(file) for file in files})


def hub_identity(name: str) -> str:
    """The commit that a hub id stands for in this machine's cache."""
    return f"hub:{name.partition('@')[0]}@{model_folder(name).name}"


def model_folder(name: str) -> Path:
    """The local folder of a model: of the zoo, a path as it is, or a hub id from the cache or, if allowed, the hub."""
    if is_shipped(name):
        return shipped_folder(name)
    if name and Path(name).is_dir():
        return Path(name)
    if not HUB_ID.fullmatch(name):
        raise BadConfig(
            f"{name!r} is neither a model of the zoo nor a folder nor a hub id (owner/model or owner/model@revision)."
            + nearest(name, shipped_names())
        )
    return _from_hub(name)


@lru_cache(maxsize=256)
def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    answers = not is_offline() and hub_answers()
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision or None,
                local_files_only=not answers,
                ignore_patterns=[*PICKLED, "*.msgpack", "*.h5", "*.onnx"],
            )
        )
    except (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError) as error:
        raise BadConfig(
            f"The hub does not give {name!r}: it is not there, or only for those who are let in. "
            "Mind the spelling; `hf auth login` says who you are."
        ) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise Unavailable(
            f"There is no folder {name!r}, the model is not in this machine's cache and the hub cannot be reached. "
            "Give a local folder or a model of the zoo, or fetch it where there is a network."
        ) from error


def hub_answers() -> bool:
    """Whether the hub says anything within a moment; a name server that is silent counts too."""
    said: list[bool] = []
    asking = Thread(target=lambda: said.append(_is_there()), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return any(said)


def _is_there() -> bool:
    from ssl import SSLError
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from huggingface_hub.constants import ENDPOINT

    try:
        urlopen(Request(ENDPOINT, method="HEAD"), timeout=PATIENCE).close()  # noqa: S310 - the person's own endpoint
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, SSLError)  # the hub's client has certificates of its own
    except OSError:
        return False
    return True


def is_offline() -> bool:
    """Whether the person said that the hub must not be tried."""
    return any(
        os.environ.get(flag, "").lower() in {"1", "true", "yes"} for flag in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )

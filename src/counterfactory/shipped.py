"""The weights that ship inside the package: their names, where they lie, and that every file is whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath

from counterfactory.errors import Unavailable, unknown

SCHEME = "zoo:"
WEIGHTS = Path(__file__).parent / "zoo" / "weights"
CHECKSUMS = "checksums.json"
PIPELINE = "model_index.json"
CARD = "README.md"
RESTORE = (
    "Install Counterfactory again or, in a checkout of its sources, `git checkout -- src/counterfactory/zoo/weights`; "
    "weights that were packed here are written again by `python -m counterfactory.zoo.pack`."
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What a shipped file must be."""

    size: int
    digest: str


def is_shipped(name: str) -> bool:
    """Whether a name is meant for the models of the package."""
    return name.startswith(SCHEME)


def shipped_names() -> list[str]:
    """Every world whose models ship here, and every part of it that can be loaded by itself."""
    worlds = sorted(path.parent for path in WEIGHTS.glob(f"*/{CHECKSUMS}"))
    return [name for world in worlds for name in _names(world)]


def shipped_folder(name: str) -> Path:
    """The folder of a shipped model, each of its own files as it was packed."""
    world, part = _found(name)
    for file, sum_ in _own(world, part).items():
        _verify(world / file, sum_)
    return world / part


def shipped_identity(name: str) -> str:
    """A digest of a model's own files as they were packed, the same as of a folder that holds just them."""
    world, part = _found(name)
    own = {PurePosixPath(file): sum_ for file, sum_ in _own(world, part).items()}
    return files_identity({file.relative_to(part): bytes.fromhex(own[file].digest) for file in sorted(own)})


def files_identity(digests: Mapping[PurePath, bytes]) -> str:
    """A digest of files by their paths; a card is left out, for it changes nothing that a model does."""
    whole = hashlib.blake2b(digest_size=16)
    for path, digest in digests.items():
        if path.name != CARD:
            whole.update(str(path).encode())
            whole.update(digest)
    return "files:" + whole.hexdigest()


def file_digest(path: Path) -> bytes:
    """A digest of what a file holds; one that keeps its size and time is read once."""
    state = path.stat()
    return _digest(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(file: str, _size: int, _time: int) -> bytes:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest()


def _found(name: str) -> tuple[Path, str]:
    """A world's folder and the part in it that a name stands for."""
    known = shipped_names()
    if not known:
        raise Unavailable(
            f"This installation holds no zoo: there is no {CHECKSUMS} below {WEIGHTS}. {RESTORE} "
            "`python -m counterfactory.zoo.rebuild --minutes 600` trains it from nothing."
        )
    if name not in known:
        raise unknown("model of the zoo", name, known)
    world, _, part = name.removeprefix(SCHEME).partition("/")
    return WEIGHTS / world, part


def _names(world: Path) -> list[str]:
    """The world itself, which is a pipeline, and each folder in it that has weights."""
    weights = [PurePosixPath(file) for file in checksums(world) if file.endswith(".safetensors")]
    folders = sorted({file.parts[0] for file in weights if len(file.parts) > 1})
    whole = [SCHEME + world.name] if PIPELINE in checksums(world) else []
    return [*whole, *(f"{SCHEME}{world.name}/{folder}" for folder in folders)]


def _own(world: Path, part: str) -> dict[str, Sum]:
    """The files that a model consists of: a part's folder, or what the pipeline names as its parts."""
    every = checksums(world)
    if part:
        return {file: sum_ for file, sum_ in every.items() if file.startswith(f"{part}/")}
    _verify(world / PIPELINE, every[PIPELINE])
    said = json.loads((world / PIPELINE).read_text(encoding="utf-8"))
    return {file: sum_ for file, sum_ in every.items() if "/" not in file or file.partition("/")[0] in said}


def checksums(world: Path) -> Mapping[str, Sum]:
    """The files of a world and what they must be."""
    state = (world / CHECKSUMS).stat()
    return _checksums(world, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _checksums(world: Path, _size: int, _time: int) -> dict[str, Sum]:
    path = world / CHECKSUMS
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {file: Sum(size=int(kept["size"]), digest=str(kept["digest"])) for file, kept in said.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable(f"{path} is damaged ({error}). {RESTORE}") from error


def _verify(path: Path, sum_: Sum) -> None:
    """Size each time, content once a process."""
    if not path.is_file():
        raise Unavailable(f"The zoo's file {path} is missing. {RESTORE}")
    size = path.stat().st_size
    if size != sum_.size:
        raise Unavailable(f"The zoo's file {path} is damaged: {size:,} bytes instead of {sum_.size:,}. {RESTORE}")
    if file_digest(path).hex() != sum_.digest:
        raise Unavailable(f"The zoo's file {path} is damaged: its content is not what was packed. {RESTORE}")

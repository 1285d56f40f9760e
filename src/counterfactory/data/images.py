"""Image files: which they are, and the address of each. Knows nothing of labels."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from counterfactory.data.labels import natural
from counterfactory.data.problems import below, problem
from counterfactory.keys import digest
from counterfactory.types import Address, Problem

ENDINGS = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".pjpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
)
UNREAD = (".avif", ".heic", ".heif", ".jxl")
STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, little and big
    *(b"P%d" % kind for kind in range(1, 7)),  # PBM, PGM, PPM
)
CHUNK = 128  # files a thread reads before it asks for more


def is_image(name: str) -> bool:
    """Whether a file name is that of an image, and not of a hidden one."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def images_in(folder: Path) -> list[Path]:
    """The image files directly in a folder, in natural order."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_image(entry.name) and entry.is_file()]
    return [folder / name for name in sorted(names, key=natural)]


def images_below(folder: Path) -> list[Path]:
    """The image files in a folder and its sub-folders, in natural order."""
    return [Path(path) for path in sorted(_walk(folder), key=natural)]


def any_image_below(folder: Path) -> bool:
    """Whether there is an image at all: stops at the first."""
    return next(_walk(folder), None) is not None


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder, in natural order, without hidden ones and those that may not be read."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not _is_hidden(entry.name) and entry.is_dir()]
    return [path for name in sorted(names, key=natural) if may_be_read(path := folder / name)]


def may_be_read(folder: str | Path) -> bool:
    """Whether a folder may be listed and its files opened."""
    return os.access(folder, os.R_OK | os.X_OK)


def passed_over(root: Path) -> tuple[Problem, ...]:
    """What no reader looks at, and its owner may think it does: closed folders, and images of other formats."""
    closed: list[str] = []
    others: list[str] = []
    for here, folders, files in _steps(root):
        paths = (os.path.join(here, name) for name in folders)
        closed += (below(Path(path), root) for path in paths if not may_be_read(path))
        others += (below(Path(here, name), root) for name in files if name.lower().endswith(UNREAD))
    return (
        *problem(closed, "a folder that may not be read; give yourself the right to"),
        *problem(others, "a format that is not read; convert it to JPEG or PNG"),
    )


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder by its own words; a link in there may point anywhere."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def addresses(paths: Sequence[Path], root: Path) -> tuple[dict[Path, Address], tuple[Problem, ...]]:
    """The address of every file that looks like an image, and what is wrong with the others.

    Each file is read once, for its digest. Whether it decodes is a later question (`check`).
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    found: dict[Path, Address] = {}
    wrong: dict[str, list[str]] = {}
    with ThreadPoolExecutor() as pool:
        for chunk, looks in zip(chunks, pool.map(_look, chunks), strict=True):
            for path, look in zip(chunk, looks, strict=True):
                if isinstance(look, Address):
                    found[path] = look
                else:
                    wrong.setdefault(look, []).append(below(path, root))
    return found, tuple(said for reason, names in wrong.items() for said in problem(names, f"{reason}; skipped"))


def _walk(folder: Path) -> Iterator[str]:
    return (os.path.join(here, name) for here, _, files in _steps(folder) for name in files if is_image(name))


def _steps(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder with the names in it; follows each link to one once, so that a circle ends."""
    seen = {os.path.realpath(folder)}
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not _is_hidden(name) and _is_new(os.path.join(here, name), seen)]
        yield here, folders, files


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_new(folder: str, seen: set[str]) -> bool:
    """Whether a folder is no link, or a link to where no other has led."""
    if not os.path.islink(folder):
        return True
    target = os.path.realpath(folder)
    is_new = target not in seen
    seen.add(target)
    return is_new


def _look(paths: Sequence[Path]) -> list[Address | str]:
    return [_look_at(path) for path in paths]


def _look_at(path: Path) -> Address | str:
    """The address of a file, or why it is not an image."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.readall()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not data:
        return "empty file (0 bytes)"
    if not data.startswith(STARTS) and not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return "no image in spite of its name"
    return Address(digest(data), "file:" + os.path.abspath(path))

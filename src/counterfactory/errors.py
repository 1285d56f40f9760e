"""Everything that can go wrong and that a person can mend.

CounterfactoryError           one clear sentence, exit code 2, no traceback
├── BadData                   the images or labels that were given
├── BadConfig                 a field, a preset or an option
├── UnknownName               a recipe, model or plugin that nobody knows
├── Unavailable               a missing extra, device, network or job
├── RunBusy                   another process holds the run
├── RunTooNew                 a later version wrote the folder
├── DiskTrouble               full or read-only: stop, mend, run again
└── TooManyFailures           what worked is kept
"""

import difflib
import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CounterfactoryError(Exception):
    """Says what was seen, what was expected and what to do."""


class BadData(CounterfactoryError):
    """The images or labels cannot be used as they are."""


class BadConfig(CounterfactoryError):
    """A field, a preset or an option has a value that is not allowed."""


class UnknownName(CounterfactoryError):
    """A name that stands for nothing."""


class Unavailable(CounterfactoryError):
    """Something that this machine or this version does not have."""


class RunBusy(CounterfactoryError):
    """Another process works in this run folder."""


class RunTooNew(CounterfactoryError):
    """The folder was written by a later version."""


class DiskTrouble(CounterfactoryError):
    """The disk is full or read-only; what was committed is safe."""


class TooManyFailures(CounterfactoryError):
    """More items failed than the run allows; the others are kept."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """An error for a name that nobody knows, with the nearest known ones."""
    names = sorted(known)
    return UnknownName(f"Unknown {kind} {name!r}.{nearest(name, names)} Known: {', '.join(names) or 'none'}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest known name, after a space; nothing where none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


DISK_ERRORS = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "has no quota left",
    errno.EFBIG: "may hold no larger file",
    errno.EROFS: "is read-only",
    errno.EACCES: "may not be written",
    errno.EPERM: "may not be written",
    errno.ENOTDIR: "is not a folder",
    errno.EEXIST: "is in the way: expected a folder there",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EIO: "cannot be read or written",
}


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Turns the disk's own errors into a sentence that says how to go on."""
    try:
        yield
    except Exception as error:
        number = _system_number(error)
        if number not in DISK_ERRORS:
            raise
        raise DiskTrouble(
            f"{place} {DISK_ERRORS[number]}. Nothing that was finished is lost: "
            "make room or choose another --workspace, then give the same command again."
        ) from error


def _system_number(error: Exception) -> int | None:
    """The system's own number of an error; libraries written in Rust tell it in their text."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None

"""Content addresses: equal keys mean equal work. Knows what a value says, not where it lies or when it was made."""

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from operator import attrgetter
from pathlib import PurePath
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydantic import BaseModel

from counterfactory.names import identity, is_model_name
from counterfactory.types import Address, Artifact, Dataset

_dataset_keys: WeakKeyDictionary[Dataset, str] = WeakKeyDictionary()


class _AsideMark:
    """Marks a field that says how a result is come by and not what it is: it is part of no key."""


ASIDE = _AsideMark()  # Annotated[int, ASIDE]: how many requests at once, how long to wait, where to ask


def key(*parts: Any) -> str:
    """A short, stable digest of plain data, nouns and steps."""
    return digest(canonical(parts).encode("utf-8", "surrogatepass"))


def digest(data: bytes) -> str:
    """The address of some bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def seed_for(*parts: Any) -> int:
    """A seed that depends on what is drawn, never on when or where."""
    return int(key("seed", *parts)[:12], 16) % 2**31


def canonical(value: Any) -> str:
    """One text for each value: sorted, without spaces; nouns by name and by what differs from their defaults."""
    return _encoder.encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Address):
        return ["@", value.digest]
    if isinstance(value, Artifact):
        return ["Artifact", value.key]
    if isinstance(value, Dataset):
        return ["Dataset", dataset_key(value)]
    if isinstance(value, BaseModel):
        return _model(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, _said(value)]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__qualname__} has no content address")


def dataset_key(dataset: Dataset) -> str:
    """The address of a data set: all that its samples say, in order."""
    if dataset not in _dataset_keys:
        _dataset_keys[dataset] = key(_said(dataset))
    return _dataset_keys[dataset]


def _model(model: BaseModel) -> list[Any]:
    """A step or a config: its package, name, version and fields, models by what their files hold."""
    cls = type(model)
    said = {
        name: _named(field, getattr(model, name)) for name, field in cls.model_fields.items() if not _is_aside(field)
    }
    return [cls.__module__.partition(".")[0], cls.__qualname__, getattr(cls, "version", 0), said]


def without_asides(value: Any) -> Any:
    """Plain data of a value, of its models only what identifies them."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        return {name: without_asides(getattr(value, name)) for name, field in fields if not _is_aside(field)}
    if isinstance(value, Mapping):
        return {name: without_asides(item) for name, item in value.items()}
    return [without_asides(item) for item in value] if isinstance(value, list | tuple) else value


def _is_aside(field: Any) -> bool:
    return any(isinstance(mark, _AsideMark) for mark in field.metadata)


def _named(field: Any, value: Any) -> Any:
    if not is_model_name(field):
        return value
    if isinstance(value, Mapping):
        return {part: _named(field, one) for part, one in value.items()}
    return identity(value) if isinstance(value, str) else value


def _said(noun: Any) -> dict[str, Any]:
    """The fields that differ from their defaults, so that a field added later changes no old key."""
    names, defaults, values = _reader(cast(Hashable, type(noun)))
    return {
        name: value
        for name, default, value in zip(names, defaults, values(noun), strict=True)
        if value is not default and value != default
    }


@cache
def _reader(noun: Hashable) -> tuple[tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]]:
    """Names and defaults of a noun's fields, and what reads them all at once: keys are made a million at a time."""
    named = fields(cast(Any, noun))
    defaults = tuple(f.default if f.default_factory is MISSING else f.default_factory() for f in named)
    names = tuple(f.name for f in named)
    return names, defaults, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


_encoder = json.JSONEncoder(default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

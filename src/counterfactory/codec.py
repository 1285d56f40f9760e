"""Values as text and back, without pickle: nouns carry their name, arrays their bytes, sequences return as tuples."""

import base64
import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from counterfactory import types

NOUNS: dict[str, type] = {
    name: noun for name, noun in vars(types).items() if isinstance(noun, type) and is_dataclass(noun)
}


def encode(value: Any) -> str:
    """One line of JSON."""
    return _encoder.encode(_escape(value))


def decode(text: str) -> Any:
    """What `encode` was given; lists are tuples now."""
    return _tuples(json.loads(text, object_hook=_noun))


def _escape(value: Any) -> Any:
    """Dictionaries that JSON cannot hold as they are become lists of pairs."""
    if isinstance(value, dict):
        if "$" in value or not all(isinstance(name, str) for name in value):
            return {"$": "dict", "items": [[_escape(k), _escape(v)] for k, v in value.items()]}
        return {name: _escape(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value) and type(value).__name__ in NOUNS:
        said = {field.name: _escape(getattr(value, field.name)) for field in fields(value)}
        return {"$": type(value).__name__, **said}
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"$": "array", "dtype": value.dtype.str, "shape": list(value.shape), "data": data}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return {"$": "bytes", "data": base64.b64encode(value).decode()}
    raise TypeError(f"a result may hold nouns, plain data and arrays, not {type(value).__qualname__}")


def _noun(said: dict[str, Any]) -> Any:
    match said.get("$"):
        case None:
            return said
        case "dict":
            return {_tuples(name): item for name, item in said["items"]}
        case "bytes":
            return base64.b64decode(said["data"])
        case "array":
            flat = np.frombuffer(base64.b64decode(said["data"]), dtype=np.dtype(said["dtype"]))
            return flat.reshape(said["shape"])
        case name:
            return NOUNS[name](**{k: _tuples(v) for k, v in said.items() if k != "$"})


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return value


_encoder = json.JSONEncoder(
    default=_plain, separators=(",", ":")
)  # ASCII: a file name may hold bytes that are no UTF-8

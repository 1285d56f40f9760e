"""Configuration: a preset, one YAML file and `--set a.b=c`, laid over each other; its messages are for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from counterfactory.errors import BadConfig, unknown

Model = TypeVar("Model", bound=BaseModel)


def resolve(base: Model, *layers: Mapping[str, Any]) -> Model:
    """`base` with every layer laid over it in turn; a field that is unknown or out of range is named."""
    fields = base.model_dump(mode="json")
    for layer in layers:
        fields = overlay(fields, layer)
    try:
        return type(base).model_validate(fields)
    except ValidationError as error:
        if alone := [found["loc"] for found in error.errors() if found["type"] in {"tuple_type", "list_type"}]:
            return resolve(base, *layers, *[_listed(path, fields) for path in alone])
        raise BadConfig(_explained(type(base), error)) from None


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one; where `kind` changes, the fields of the old kind go with it."""
    both = dict(below)
    for name, new in above.items():
        old = both.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and _same_kind(old, new):
            both[name] = overlay(old, new)
        else:
            both[name] = new
    return both


def _listed(path: Sequence[int | str], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The value at a path as a list of it alone: `seeds=3` means one seed."""
    *parents, last = [str(part) for part in path]
    value: Any = fields
    for parent in [*parents, last]:
        value = value[parent]
    if not isinstance(value, str | int | float):
        raise BadConfig(f"Field {'.'.join([*parents, last])!r}: {value!r} is not allowed; expected a list.")
    listed: dict[str, Any] = {last: [value]}
    for parent in reversed(parents):
        listed = {parent: listed}
    return listed


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(new.get("kind", old.get("kind")) == old.get("kind"))


def read_file(path: Path) -> dict[str, Any]:
    """The fields of a YAML file."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig(f"There is no configuration file {path}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadConfig(f"{path} cannot be read as YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadConfig(f"{path} holds a {type(found).__name__}; expected fields and values, as in `shots: 4`.")
    return found


def parse_sets(sets: Sequence[str]) -> dict[str, Any]:
    """`a.b=c` settings as nested fields; values are YAML, and `1,2,3` is a list."""
    fields: dict[str, Any] = {}
    for setting in sets:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise BadConfig(
                f"--set {setting!r} has no field or no value; expected field=value, as in --set classifier.steps=300."
            )
        *parents, last = path.strip().split(".")
        inner: dict[str, Any] = {}
        nested: Any = inner
        for parent in parents:
            nested = nested.setdefault(parent, {})
        nested[last] = parse_value(text)
        fields = overlay(fields, inner)
    return fields


def parse_value(text: str) -> Any:
    """One value from a command line: a number, a word, true, null, [a, b], {a: b} or a,b,c."""
    is_list = "," in text and text.strip()[:1] not in {"[", "{", "'", '"'}
    try:
        return yaml.safe_load(f"[{text}]" if is_list else text)
    except yaml.YAMLError:
        return text


def to_yaml(fields: Mapping[str, Any]) -> str:
    """Fields as a file that `read_file` reads back."""
    return yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True)


def _explained(model: type[BaseModel], error: ValidationError) -> str:
    return " ".join(_sentence(model, found) for found in error.errors(include_url=False))


def _sentence(model: type[BaseModel], found: Any) -> str:
    path = [str(part) for part in found["loc"]]
    if found["type"] == "extra_forbidden":
        return str(unknown("field", ".".join(path), _siblings(model, path)))
    given = found.get("input")
    message = found["msg"][0].lower() + found["msg"][1:]
    return f"Field {'.'.join(path) or model.__name__!r}: {given!r} is not allowed; {message}."


def _siblings(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The fields that stand beside the one at `path`, with the same prefix."""
    here = model
    for part in path[:-1]:
        here = next(iter(_kinds(here.model_fields.get(part))), here)
    prefix = ".".join([*path[:-1], ""])
    return [prefix + name for name in here.model_fields]


def _kinds(field: Any) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    if field is None:
        return []
    kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]

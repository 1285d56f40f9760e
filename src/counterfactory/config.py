"""Configuration: a preset, one YAML file and `--set a.b=c`, laid over each other; its messages are for people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from counterfactory.errors import BadConfig, unknown

Model = TypeVar("Model", bound=BaseModel)


def resolve(base: Model, *layers: Mapping[str, Any]) -> Model:
    """`base` with every layer laid over it in turn; a field that is unknown or out of range is named.

    A mapping of free names is replaced by what the layers say, not mixed with it: only their own add up.
    """
    fields, layers = base.model_dump(mode="json"), tuple(map(_worded, layers))
    for layer in layers:
        fields = _emptied(type(base), fields, layer)
    for layer in layers:
        fields = overlay(fields, _with_kinds(type(base), fields, layer))
    for name, value in _endless(fields):
        raise BadConfig(f"Field {name!r}: {value} is not allowed; expected a finite number.")
    try:
        return type(base).model_validate(fields)
    except ValidationError as error:
        if alone := [found["loc"] for found in error.errors() if found["type"] in {"tuple_type", "list_type"}]:
            return resolve(base, *layers, *[_listed(_walked(type(base), path)[0], fields) for path in alone])
        raise BadConfig(_explained(type(base), error)) from None


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one; where `kind` changes, the old kind's fields go with it, and `{}` takes all away."""
    both = dict(below)
    for name, new in above.items():
        old = both.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and new and _same_kind(old, new):
            both[name] = overlay(old, new)
        else:
            both[name] = new
    return both


def _worded(said: Any) -> Any:
    """The same with names as text: YAML takes a class that is called 7 for a number."""
    return {str(name): _worded(value) for name, value in said.items()} if isinstance(said, Mapping) else said


def _endless(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Numbers that no setting may be, and no key can say: infinite, or none at all."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _endless(value, f"{above}{name}.")
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, float) and not math.isfinite(each):
                yield f"{above}{name}", each


def _emptied(model: type[BaseModel], below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The lower fields, without what stands in mappings of free names that the upper fields say anew."""
    kept = dict(below)
    for name, new in above.items():
        old, kinds = below.get(name), _kinds(model, name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            own = next((kind for kind in kinds if _tag(kind) == old.get("kind")), None)
            kept[name] = _emptied(own, old, new) if own else old if kinds else {}
    return kept


def _with_kinds(model: type[BaseModel], below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The upper fields, with their kind said where they belong to another one than the lower fields."""
    said = dict(above)
    for name, new in above.items():
        old, kinds = below.get(name), _kinds(model, name)
        if not (kinds and isinstance(old, Mapping) and isinstance(new, Mapping)):
            continue
        own = next((kind for kind in kinds if _tag(kind) == old.get("kind")), kinds[0])
        fitting = [own] if "kind" in new else [kind for kind in (own, *kinds) if new.keys() <= kind.model_fields.keys()]
        if not fitting or fitting[0] is own:
            said[name] = _with_kinds(own, old, new)
        else:
            said[name] = {"kind": _tag(fitting[0]), **new}
    return said


def _listed(path: Sequence[str], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The value at a path as a list of it alone: `seeds=3` means one seed."""
    *parents, last = path
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
    path, beside = _walked(model, found["loc"])
    name = ".".join(path) or model.__name__
    if found["type"] == "extra_forbidden":
        prefix = ".".join([*path[:-1], ""])
        return str(unknown("field", name, [prefix + known for known in beside.model_fields]))
    if found["type"] == "union_tag_invalid":
        return str(unknown(f"{name}.kind", found["ctx"]["tag"], map(_tag, _kinds(beside, path[-1]))))
    if found["type"] == "missing":
        return f"Field {name!r} is missing."
    if found["type"] in {"model_type", "model_attributes_type"}:
        field = next(iter(_kinds(beside, path[-1])[0].model_fields))
        return f"Field {name!r}: {found['input']!r} is not allowed; set what it consists of, such as {name}.{field}."
    reason = str(found["ctx"]["error"]) if found["type"] == "value_error" else found["msg"]
    given = found.get("input")
    if isinstance(given, Mapping):  # the fields together are wrong; all of them would hide the reason
        return f"Field {name!r}: {reason.rstrip('.')}."
    return f"Field {name!r}: {given!r} is not allowed; {reason[0].lower() + reason[1:].rstrip('.')}."


def _walked(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], type[BaseModel]]:
    """A path as people write it, without the kinds that pydantic puts in, and the model that its last part is of."""
    path: list[str] = []
    beside, kinds = model, [model]
    for part in map(str, location):
        if len(kinds) > 1 and (tagged := [kind for kind in kinds if part in {_tag(kind), kind.__name__}]):
            kinds = tagged
            continue
        path.append(part)
        beside = kinds[0]
        kinds = _kinds(beside, part) or [beside]
    return path, beside


def _kinds(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    """The models that a field may hold."""
    field = model.model_fields.get(name)
    return _models(field.annotation) if field else []


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tag(model: type[BaseModel]) -> Any:
    """By what `kind` a model is told from others."""
    return model.model_fields["kind"].default if "kind" in model.model_fields else None

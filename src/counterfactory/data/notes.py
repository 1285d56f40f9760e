"""The notes in the schema of a table: what the `datasets` library calls features, and what an exported table says."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfactory.publish import Card, card_from

OURS = b"counterfactory"  # where an exported table keeps its `dataset.json`
SPLIT = "split"  # and there the name of its split, of which that of the file tells less


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """The `datasets` library's notes in a schema: what it calls features."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (ValueError, LookupError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def card_of(schema: pa.Schema, where: Path) -> Card | None:
    """What an exported table says of its classes and task, where it still has the columns that this goes with."""
    said = (schema.metadata or {}).get(OURS, b"")
    return card_from(said, where) if {"label", "weight"} <= set(schema.names) else None


def split_of(schema: pa.Schema) -> str | None:
    """The split that an exported table says it is."""
    try:
        split = json.loads((schema.metadata or {})[OURS])[SPLIT]
    except (ValueError, LookupError, TypeError):
        return None
    return split if isinstance(split, str) else None


def class_names(feature: Any) -> tuple[str, ...] | None:
    """The names of a feature of classes, or of a list of them."""
    if isinstance(feature, list) and feature:
        return class_names(feature[0])
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        return tuple(feature.get("names") or ()) or None
    return class_names(feature.get("feature")) if feature.get("_type") in {"Sequence", "List", "LargeList"} else None

"""What a training says of itself at each checkpoint: a line of numbers, and what others make of its pictures."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

Opinion = Callable[[Tensor], Mapping[str, Any]]  # of the pictures that a checkpoint draws, in their order


def note_quality(folder: Path, numbers: Mapping[str, Any]) -> None:
    """Adds a line to the training's `quality.jsonl`."""
    with (folder / "training" / "quality.jsonl").open("a") as file:
        file.write(json.dumps(dict(numbers)) + "\n")


def no_opinion(_: Tensor) -> dict[str, Any]:
    """Nobody was asked."""
    return {}

"""What a model under test answers for one image: scores by name or in an order, and whether they are probabilities."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.types import Failed, Sample

ROUNDED = 0.01  # how far from 1 the sum of probabilities may be that somebody rounded


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Probabilities (K,) of the classes that are named, or of classes in an order that nobody named."""

    names: tuple[str, ...] | None
    probabilities: NDArray[np.float64]


Ask = Callable[[Sequence[Sample]], Sequence[Answer | Failed]]


def answer(said: Any, who: str, are_logits: bool) -> Answer | Failed:
    """Scores as somebody's code gave them: a list of numbers, an array, or a mapping from names to numbers."""
    names = tuple(map(str, said)) if isinstance(said, Mapping) else None
    try:
        values = _numbers(list(said.values()) if isinstance(said, Mapping) else said)
        return Answer(names=names, probabilities=probabilities(values, who, are_logits))
    except BadData as error:
        return Failed("", str(error))


def probabilities(values: NDArray[np.float64], who: str, are_logits: bool) -> NDArray[np.float64]:
    """Scores (K,) as probabilities; logits only where somebody said that they are."""
    if values.ndim != 1 or not values.size:
        raise BadData(f"{who} gave scores of shape {values.shape} for one image; expected one number for each class.")
    if not np.isfinite(values).all():
        raise BadData(f"{who} gave scores that are no numbers (NaN or infinite).")
    if are_logits:
        powers = np.exp(values - values.max())
        return np.asarray(powers / powers.sum())
    total = float(values.sum())
    if values.min() < -ROUNDED or abs(total - 1) > ROUNDED:
        raise BadData(
            f"{who} gave scores that are no probabilities: from {values.min():.3g} to {values.max():.3g}, together "
            f"{total:.3g}. Expected numbers from 0 that sum to 1; if they are logits, say `scores: logits`."
        )
    return np.asarray(values.clip(0) / values.clip(0).sum())


def _numbers(said: Any) -> NDArray[np.float64]:
    """Numbers from lists, arrays and tensors of any device and format."""
    if hasattr(said, "detach"):
        said = said.detach().cpu().float().numpy()
    if not isinstance(said, np.ndarray) and (isinstance(said, str | bytes) or not hasattr(said, "__len__")):
        raise BadData(f"Scores came as {type(said).__name__}; expected a list of numbers or names with numbers.")
    try:
        return np.asarray(said, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadData(f"Scores came that are no numbers ({error}); expected a list of numbers.") from error

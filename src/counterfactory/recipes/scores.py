"""Scores of counterfactuals beside their sources, each from one kind of model. Knows no thresholds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterfactory.classify.masks import mask_classes
from counterfactory.classify.segment_under_test import SegmenterUnderTest
from counterfactory.classify.tested import model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadData
from counterfactory.metrics.segmentation import image_overlaps
from counterfactory.metrics.validity import Vectors, cosines, directions, preferences
from counterfactory.run import Run
from counterfactory.score.change import Change
from counterfactory.score.clip import ClipEmbed, ClipText
from counterfactory.types import Address, Dataset, Failed, Sample

Scores = Mapping[str, Vectors]  # one of each counterfactual; not a number where it could not be taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A counterfactual, and what it was made from."""

    source: Sample
    before: str  # the source's caption
    after: str  # the caption that was drawn
    drawn: Sample
    mask: Address | None = None  # where the thing should be in it


def by_clip(run: Run, made: Sequence[Made], model: str) -> Scores:
    """How picture and caption went together from the source to the counterfactual."""
    e0, e1 = _columns(run, ClipEmbed(model=model), [(one.source.image, one.drawn.image) for one in made])
    t0, t1 = _columns(run, ClipText(model=model), [(one.before, one.after) for one in made])
    return {
        "text": cosines(e1, t1),
        "image": cosines(e0, e1),
        "direction": directions(e0, e1, t0, t1),
        "preference": preferences(e1, t0, t1),
    }


def by_label(run: Run, made: Sequence[Made], model: str, classes: tuple[str, ...]) -> Scores:
    """How sure another classifier is of the label; nothing where pictures have no one label."""
    targets = [one.source.target for one in made if isinstance(one.source.target, int)]
    if len(targets) < len(made):
        return {}
    said = run.map(UnderTest(model=model_under_test(model), classes=classes), [one.drawn for one in made])
    return {"confidence": _numbers(p if isinstance(p, Failed) else p[t] for p, t in zip(said, targets, strict=True))}


def by_layout(run: Run, made: Sequence[Made], model: str, data: Dataset) -> Scores:
    """How far what a segmenter finds lies where it should be; nothing without masks."""
    if not all(one.mask for one in made):
        return {}
    samples = [replace(one.source, image=one.drawn.image, mask=one.mask) for one in made]
    said = run.map(SegmenterUnderTest(model=model, classes=mask_classes(data)), samples)
    return {
        "layout": _numbers(one if isinstance(one, Failed) else image_overlaps(one["counts"][None])[0] for one in said)
    }


def by_change(run: Run, made: Sequence[Made]) -> Scores:
    """How much of the source's pixels is not as it was."""
    return {"change": _numbers(run.map(Change(), [(one.source.image, one.drawn.image) for one in made]))}


def _columns(run: Run, step: Any, pairs: Sequence[tuple[Any, Any]]) -> tuple[Vectors, Vectors]:
    """What a step makes of the first and of the second of each pair; equal ones are asked once."""
    every = list(dict.fromkeys(item for pair in pairs for item in pair))
    said = dict(zip(every, (_vector(one) for one in run.map(step, every)), strict=True))
    first, second = (np.stack([said[pair[side]] for pair in pairs]) for side in (0, 1))
    return first, second


def _vector(said: Any) -> Vectors:
    if isinstance(said, Failed):  # our own pictures and texts can be read: something else is wrong
        raise BadData(f"A check cannot be made: {said.reason}")
    found: Vectors = said.astype(np.float64)
    return found


def _numbers(said: Iterable[Any]) -> Vectors:
    return np.array([math.nan if isinstance(one, Failed) else float(one) for one in said])

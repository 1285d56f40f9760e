"""How drawings compare with real images that nobody trained on: as true to them, as varied, and true to their words."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from counterfactory.metrics.distances import kernel_distance
from counterfactory.metrics.fidelity import NEIGHBOURS, fidelity
from counterfactory.metrics.statistics import mean_interval
from counterfactory.recipes.augmentation import Drawn, class_of
from counterfactory.recipes.class_words import plain
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed, ClipScore
from counterfactory.types import Address, Dataset, Failed, Sample, Step, Table

SHARES = ("precision", "recall", "density", "coverage")


def fidelity_tables(run: Run, eyes: str | None, found: Drawn) -> list[Table]:
    """Of the drawings that count, seed by seed; nothing without a CLIP to see them, or of too few."""
    if eyes is None:
        return []
    measured = [said for seed in found.choices if (said := _measured(run, eyes, found, seed))]
    if not measured:
        return []
    names = list(measured[0])
    row = tuple(mean_interval([said[name] for said in measured]) for name in names)
    seeds = f"means over {len(measured)} seeds" if len(measured) > 1 else "one seed"
    note = (
        f"Against validation images as {eyes} sees them, {NEIGHBOURS} neighbours, {seeds}. "
        "Precision and density: drawings among real images; recall and coverage: real images among drawings. "
        "CLIP score: with a plain sentence of the class."
    )
    return [Table(title="Fidelity and diversity of what was drawn", columns=tuple(names), rows=(row,), note=note)]


def _measured(run: Run, eyes: str, found: Drawn, seed: int) -> Mapping[str, float] | None:
    kept = [one for one in found.candidates[seed] if one.counts]
    real: Dataset | None = found.choices[seed].get("validation")
    if real is None or min(len(kept), len(real)) <= NEIGHBOURS:
        return None
    theirs, ours = (features(run, ClipEmbed(model=eyes), each) for each in (real.samples, [one.sample for one in kept]))
    names = found.choices[seed]["train"].classes
    pairs = [(one.sample.image, plain(names[class_of(one.sample)])) for one in kept]
    scores = [said for said in run.map(ClipScore(model=eyes), pairs) if not isinstance(said, Failed)]
    return {**likeness(theirs, ours), "CLIP score": fmean(scores)}


def likeness(real_ND: Any, made_MD: Any) -> dict[str, float]:
    """How made pictures lie among real ones."""
    shares = fidelity(real_ND, made_MD)
    return {**{name: shares[name] for name in SHARES}, "kernel distance": kernel_distance(real_ND, made_MD)}


def features(run: Run, seen: Step[Address, Any], samples: Sequence[Sample]) -> Any:
    """Where pictures lie in the space of whoever sees them."""
    said = run.map(seen, [sample.image for sample in samples])
    return np.stack([one for one in said if not isinstance(one, Failed)])

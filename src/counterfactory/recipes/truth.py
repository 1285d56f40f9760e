"""What only Diorama can tell: the true counterfactual of each source, and whether a drawn one shows what it should.

The judge reads here and measures. Nothing that a recipe does follows from what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from counterfactory.data.diorama.place import image_address, mask_address, scene_at, size_at
from counterfactory.data.diorama.world import Scene, changed
from counterfactory.recipes.counterfactuals import Counterfactual
from counterfactory.recipes.scores import Made
from counterfactory.recipes.tested import Said, Tested, ask
from counterfactory.run import Run
from counterfactory.types import Failed, Sample
from counterfactory.zoo.check.layout import overlap
from counterfactory.zoo.check.reading import Look, sight
from counterfactory.zoo.wording import named

SCHEME = "diorama:"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the judge sees of one counterfactual."""

    edited: bool  # every factor that was to change has its new value
    kept: bool  # the class is still the source's
    others: float  # share of the other factors that are as they were
    overlap: float  # of the thing with where it was


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Of each counterfactual, in their order: how the judge sees it, and what the model says of the true one."""

    seen: Sequence[Seen | None]
    said: Sequence[Said | None]


def truth(run: Run, model: Tested, made: Sequence[Counterfactual], judge: str) -> Truth | None:
    """What is known where all sources are Diorama's own; else nothing."""
    if not made or not all(one.made.source.image.place.startswith(SCHEME) for one in made):
        return None
    true = [true_counterfactual(one.made) for one in made]
    answers = iter(ask(run, model, [sample for sample in true if sample]))
    return Truth(
        seen=_seen_by(run, [one.made for one in made], judge),
        said=[next(answers) if sample else None for sample in true],
    )


def true_changes(before: str, after: str) -> dict[str, str]:
    """The factors of a scene that a new caption names otherwise than the old one; none of the class."""
    old, new = named(before), named(after)
    return {factor: value for factor, value in new.items() if old.get(factor) != value and factor != "class"}


def true_counterfactual(one: Made) -> Sample | None:
    """The source as its new caption has it, truly drawn; none where the edit is not one of Diorama's."""
    changes, place = true_changes(one.before, one.after), one.source.image.place
    if not place.startswith(SCHEME) or not changes or _is_impossible(scene_at(place), changes):
        return None
    target, side = changed(scene_at(place), **changes), size_at(place)
    return replace(
        one.source,
        image=image_address(target, side),
        mask=mask_address(target, side),
        caption=one.after,
        attributes={**one.source.attributes, **changes},
    )


def _seen_by(run: Run, made: Sequence[Made], judge: str) -> list[Seen | None]:
    """How the judge reads counterfactuals; none where the edit is not one of Diorama's."""
    said = run.map(Look(judge=judge), [one.drawn.image for one in made])
    return [None if isinstance(look, Failed) else _seen(run, one, look) for one, look in zip(made, said, strict=True)]


def _seen(run: Run, one: Made, look: Mapping[str, object]) -> Seen | None:
    changes, scene, found = true_changes(one.before, one.after), scene_at(one.source.image.place), sight(look)
    if not changes or one.source.mask is None:
        return None
    others = [f for f in ("colour", "surface", "weather", "time") if f not in changes]
    mask = np.asarray(run.worker.pixels.stored(one.source.mask).convert("L").resize(found.mask.shape[::-1], 0)) > 0
    return Seen(
        edited=all(found.said[factor] == value for factor, value in changes.items()),
        kept=found.said["class"] == scene.kind,
        others=float(np.mean([found.said[factor] == getattr(scene, factor) for factor in others])) if others else 1.0,
        overlap=overlap(mask, found.mask),
    )


def _is_impossible(scene: Scene, changes: Mapping[str, str]) -> bool:
    """A room has no weather."""
    return changes.get("surface", scene.surface) == "room" and changes.get("weather", "clear") != "clear"

"""Image to image: does the asked factor change, and do the class and all else stay, at each strength."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from counterfactory.data.diorama import world
from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.types import Gallery, Picture, Sample, Table
from counterfactory.zoo.check.subject import (
    FACTORS,
    Drawn,
    Section,
    Subject,
    Wanted,
    percent,
    scene_of,
    share,
)

EDITED = ("weather", "time", "colour")
STRENGTHS = (0.5, 0.65, 0.8)
TOLD = 0.65  # the strength that the table of what is wanted tells, chosen beforehand
PART = 20  # one in so many of the prompts is edited, for each factor and strength
SHOWN = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """A true scene, what was to change in it, and what came of it."""

    factor: str
    value: str
    strength: float
    source: Sample
    drawn: Drawn

    @property
    def is_visible(self) -> bool:
        return self.drawn.sight.said[self.factor] == self.value

    @property
    def keeps_class(self) -> bool:
        return self.drawn.sight.said["class"] == self.source.attributes["class"]

    @property
    def keeps_others(self) -> bool:
        others = [factor for factor in FACTORS if factor not in {"class", self.factor}]
        return all(self.drawn.sight.said[factor] == self.source.attributes[factor] for factor in others)


def measure(subject: Subject) -> Section:
    """Edits true renders of fresh scenes."""
    groups = {(factor, strength): _edits(subject, factor, strength) for factor in EDITED for strength in STRENGTHS}
    numbers = {key: _shares(edits) for key, edits in groups.items()}
    told = _shares([*groups["weather", TOLD], *groups["time", TOLD]])
    return Section(
        name="edits",
        numbers={factor: {str(s): numbers[factor, s] for s in STRENGTHS} for factor in EDITED},
        wanted=(
            Wanted(
                what=f"edit of weather or time at {TOLD}: visible",
                value=percent(told["visible"]),
                two_cores=85,
                accelerator=95,
            ),
            Wanted(
                what=f"edit of weather or time at {TOLD}: class kept",
                value=percent(told["class_kept"]),
                two_cores=90,
                accelerator=97,
            ),
        ),
        tables=(
            Table(
                title="Image-to-image edits",
                columns=("edit of", "strength", "edits", "visible", "class kept", "other factors kept", "all three"),
                rows=tuple(
                    (factor, strength, len(groups[factor, strength]), *map(percent, shares.values()))
                    for (factor, strength), shares in numbers.items()
                ),
                note="In % of the edits. A picture is drawn again from its noisy self, with the new scene's caption.",
            ),
        ),
        galleries=tuple(_gallery(factor, groups[factor, TOLD]) for factor in EDITED),
    )


def _edits(subject: Subject, factor: str, strength: float) -> list[Edit]:
    sources = [sample for sample in subject.scenes if factor != "weather" or sample.attributes["surface"] != "room"]
    sources = sources[: max(1, subject.check.prompts // PART)]
    values = [_other(sample, factor) for sample in sources]
    drawn = subject.drawn(
        [
            subject.request(_caption(sample, factor, value), sample, source=sample.image, strength=strength)
            for sample, value in zip(sources, values, strict=True)
        ]
    )
    return [
        Edit(factor=factor, value=value, strength=strength, source=sample, drawn=one)
        for sample, value, one in zip(sources, values, drawn, strict=True)
        if one
    ]


def _other(sample: Sample, factor: str) -> str:
    """Another value than the scene has, the same one at every strength."""
    others = [value for value in world.FACTORS[factor] if value != sample.attributes[factor]]
    return Dice(f"check edit {factor} {sample.image.digest}").pick(others)


def _caption(sample: Sample, factor: str, value: str) -> str:
    change: dict[str, Any] = {factor: value}
    return caption(world.changed(scene_of(sample), **change))


def _shares(edits: Sequence[Edit]) -> dict[str, float]:
    return {
        "visible": share([edit.is_visible for edit in edits]),
        "class_kept": share([edit.keeps_class for edit in edits]),
        "others_kept": share([edit.keeps_others for edit in edits]),
        "all": share([edit.is_visible and edit.keeps_class and edit.keeps_others for edit in edits]),
    }


def _gallery(factor: str, edits: Sequence[Edit]) -> Gallery:
    pictures = tuple(
        Picture(
            sample=edit.drawn.sample,
            label=str(edit.source.attributes["class"]),
            note=f"{factor} → {edit.value}" + ("" if edit.is_visible else f", read as {edit.drawn.sight.said[factor]}"),
            source=edit.source.image,
            facts=dict(edit.drawn.sight.said),
        )
        for edit in edits[:SHOWN]
    )
    return Gallery(title=f"Edits of {factor} at {TOLD}", pictures=pictures)

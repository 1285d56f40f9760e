"""Text to image: which factors of a caption the judge reads back, by class, by wording, and of what was kept back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.splits import sample_of, uniform_scene
from counterfactory.data.diorama.world import ALL_CLASSES, changed
from counterfactory.types import Gallery, Picture, Plot, Sample, Series, Table
from counterfactory.zoo.check.subject import FACTORS, Drawn, Section, Subject, Wanted, percent, scene_of, share
from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS

TWO_CORES = {"class": 85, "colour": 95, "surface": 95, "weather": 90, "time": 95}
ACCELERATOR = {"class": 97, "colour": 98, "surface": 98, "weather": 96, "time": 98}
SHOWN = 120  # pictures in a gallery
KEPT_BACK = 20  # of each kind that was kept back so many times fewer pictures are drawn


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """A scene that was asked for, what was drawn, and which factors were read back."""

    sample: Sample
    drawn: Drawn
    right: Mapping[str, bool]


def measure(subject: Subject) -> Section:
    """Draws every fresh scene from its caption."""
    reads = asked(subject, subject.scenes)
    fresh = _of_renders(subject)
    numbers = _shares(reads)
    unseen = {name: asked(subject, samples) for name, samples in _kept_back(subject).items()}
    return Section(
        name="faithfulness",
        numbers={factor: numbers[factor] for factor in FACTORS},
        wanted=tuple(
            Wanted(
                what=f"caption to image: {factor}",
                value=percent(numbers[factor]),
                two_cores=TWO_CORES[factor],
                accelerator=ACCELERATOR[factor],
            )
            for factor in FACTORS
        ),
        tables=(_by_wording(reads, fresh), _by_class(reads), _by_kind(unseen)),
        plots=(_confusion(reads),),
        galleries=(_gallery("Text to image", reads), _mistakes(reads), *_unseen_galleries(unseen)),
    )


def asked(subject: Subject, samples: Sequence[Sample]) -> list[Read]:
    """Scenes drawn from their captions, and read."""
    drawn = subject.drawn([subject.request(sample.caption or "", sample, label=sample.target) for sample in samples])
    return [_read(sample, one) for sample, one in zip(samples, drawn, strict=True) if one]


def _read(sample: Sample, drawn: Drawn) -> Read:
    right = {factor: drawn.sight.said[factor] == sample.attributes[factor] for factor in FACTORS}
    return Read(sample=sample, drawn=drawn, right=right)


def _shares(reads: Sequence[Read]) -> dict[str, float]:
    return {
        **{factor: share([read.right[factor] for read in reads]) for factor in FACTORS},
        "all": share([all(read.right.values()) for read in reads]),
    }


def _of_renders(subject: Subject) -> dict[str, float]:
    """How often the judge is right of true renders of the same scenes: more cannot be read back."""
    scenes = subject.some(4)
    sights = subject.read([sample.image for sample in scenes])
    rights = [
        {factor: sight.said[factor] == sample.attributes[factor] for factor in FACTORS}
        for sample, sight in zip(scenes, sights, strict=True)
    ]
    return {
        **{factor: share([right[factor] for right in rights]) for factor in FACTORS},
        "all": share([all(right.values()) for right in rights]),
    }


def _kept_back(subject: Subject) -> dict[str, tuple[Sample, ...]]:
    """Scenes that no model but the judge has learnt from, by what is new in them, in plain words."""
    number = max(1, subject.check.prompts // KEPT_BACK)
    kinds: list[tuple[str, str | None]] = [*UNSEEN_PAIRS, (UNSEEN_CLASS, None)]
    return {
        f"{kind} on {surface}" if surface else f"{kind} anywhere": tuple(
            sample for _, sample in zip(range(number), _scenes(kind, surface), strict=False)
        )
        for kind, surface in kinds
    }


def _scenes(kind: str, surface: str | None) -> Iterator[Sample]:
    for turn in count():
        scene = uniform_scene(Dice(f"check {kind} {surface} {turn}"), kind, turn)
        scene = changed(scene, surface=surface) if surface else scene
        yield replace(sample_of(scene, ALL_CLASSES), caption=caption(scene))


def _row(name: str, shares: Mapping[str, float], number: int) -> tuple[object, ...]:
    return (name, number, *(percent(shares[factor]) for factor in (*FACTORS, "all")))


def _by_wording(reads: Sequence[Read], fresh: Mapping[str, float]) -> Table:
    plain = [read for read in reads if read.sample.caption == caption(scene_of(read.sample))]
    varied = [read for read in reads if read.sample.caption != caption(scene_of(read.sample))]
    parts = {"all prompts": reads, "plain wording": plain, "varied wording": varied}
    rows = [_row(name, _shares(part), len(part)) for name, part in parts.items() if part]
    return Table(
        title="Read back by the judge",
        columns=("", "pictures", *FACTORS, "all five"),
        rows=(*rows, _row("true renders", fresh, max(1, len(reads) // 4))),
        note="In % of the pictures. The judge's own mistakes are in the last row.",
    )


def _by_class(reads: Sequence[Read]) -> Table:
    classes = dict.fromkeys(str(read.sample.attributes["class"]) for read in reads)
    of = {kind: [read for read in reads if read.sample.attributes["class"] == kind] for kind in classes}
    rows = tuple(_row(kind, _shares(part), len(part)) for kind, part in of.items())
    return Table(title="By class", columns=("class", "pictures", *FACTORS, "all five"), rows=rows, note="In %.")


def _by_kind(unseen: Mapping[str, Sequence[Read]]) -> Table:
    rows = tuple(_row(name, _shares(part), len(part)) for name, part in unseen.items() if part)
    return Table(
        title="What was kept from the zoo's training",
        columns=("asked for", "pictures", *FACTORS, "all five"),
        rows=rows,
        note="In %. For the record only: nothing is expected of these.",
    )


def _confusion(reads: Sequence[Read]) -> Plot:
    """Which classes are read as which, row by row in percent."""
    number = {kind: index for index, kind in enumerate(ALL_CLASSES)}
    counts = np.zeros((len(number), len(number)))
    for read in reads:
        counts[number[str(read.sample.attributes["class"])], number[read.drawn.sight.said["class"]]] += 1
    shares = np.round(100 * counts / np.maximum(counts.sum(1, keepdims=True), 1))
    rows = [(kind, row) for kind, row in zip(ALL_CLASSES, shares, strict=True) if counts[number[kind]].any()]
    series = tuple(Series(name=kind, x=ALL_CLASSES, y=tuple(map(float, row))) for kind, row in rows)
    return Plot(title="Classes asked for and read", kind="matrix", series=series, x="read", y="asked for")


def _gallery(title: str, reads: Sequence[Read], note: str = "") -> Gallery:
    return Gallery(title=title, pictures=tuple(_picture(read) for read in reads[:SHOWN]), note=note)


def _mistakes(reads: Sequence[Read]) -> Gallery:
    wrong = [read for read in reads if not all(read.right.values())]
    note = f"{len(wrong)} of {len(reads)} pictures are read differently from what their captions say."
    return _gallery("Not as asked for", wrong, note)


def _unseen_galleries(unseen: Mapping[str, Sequence[Read]]) -> list[Gallery]:
    return [_gallery(f"Kept from the training: {name}", reads) for name, reads in unseen.items()]


def _picture(read: Read) -> Picture:
    wrong = [f"{factor} read as {read.drawn.sight.said[factor]}" for factor in FACTORS if not read.right[factor]]
    return Picture(
        sample=read.drawn.sample,
        label=str(read.sample.attributes["class"]),
        note=", ".join(wrong),
        scores={"class confidence": read.drawn.sight.sure["class"]},
        facts=dict(read.drawn.sight.said),
    )

"""ControlNets: how far the thing lies where the layout has it, with the layout and without."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from counterfactory.types import Control, Gallery, Picture, Sample, Table
from counterfactory.zoo.check.reading import SIZE
from counterfactory.zoo.check.subject import Drawn, Section, Subject, Wanted, percent, share

KINDS = {"edges": "image", "masks": "mask"}  # and what of a true scene the layout is made from
PART = 10  # one in so many of the prompts
SHOWN = 40


def measure(subject: Subject) -> Section | str:
    """Draws scenes in their true layouts."""
    there = {kind: name for kind in KINDS if (name := subject.companion(f"controlnet-{kind}"))}
    if not there:
        return "There are no ControlNets beside the pipeline (controlnet-edges, controlnet-masks): not measured."
    samples = subject.some(PART)
    truth = [_mask(subject, sample) for sample in samples]
    free = subject.drawn([subject.request(s.caption or "", s, label=s.target) for s in samples])
    groups = {"none": free, **{kind: _drawn(subject, samples, kind, name) for kind, name in there.items()}}
    numbers = {kind: _numbers(samples, truth, drawn) for kind, drawn in groups.items()}
    return Section(
        name="layout",
        numbers=numbers,
        wanted=tuple(
            Wanted(
                what=f"ControlNet of {kind}: mask IoU",
                value=percent(numbers[kind]["mask_iou"]),
                two_cores=75,
                accelerator=88,
            )
            for kind in there
        ),
        tables=(
            Table(
                title="Layouts",
                columns=("layout", "pictures", "mask IoU", "class right"),
                rows=tuple(
                    (kind, len(samples), percent(said["mask_iou"]), percent(said["class"]))
                    for kind, said in numbers.items()
                ),
                note="In %. IoU: of the true mask and the one that the judge sees, what both cover over what either.",
            ),
        ),
        galleries=tuple(_gallery(kind, samples, groups[kind]) for kind in there),
    )


def _drawn(subject: Subject, samples: Sequence[Sample], kind: str, name: str) -> list[Drawn | None]:
    requests = [
        subject.request(
            sample.caption or "", sample, label=sample.target,
            controls=(Control(kind=kind, image=getattr(sample, KINDS[kind]), guided=True),),
        )
        for sample in samples
    ]  # fmt: skip
    return subject.drawn(requests, **{kind: name})


def _mask(subject: Subject, sample: Sample) -> np.ndarray:
    assert sample.mask is not None, "every Diorama scene has a mask"
    image = subject.run.worker.pixels.stored(sample.mask)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.NEAREST)) > 127


def _numbers(samples: Sequence[Sample], truth: Sequence[np.ndarray], drawn: Sequence[Drawn | None]) -> dict[str, float]:
    found = [(s, mask, one) for s, mask, one in zip(samples, truth, drawn, strict=True) if one]
    overlaps = [overlap(mask, one.sight.mask) for _, mask, one in found]
    rights = [one.sight.said["class"] == sample.attributes["class"] for sample, _, one in found]
    return {"mask_iou": round(float(np.mean(overlaps)), 4) if overlaps else 0.0, "class": share(rights)}


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union; two empty masks agree."""
    either = np.logical_or(one, other).sum()
    return float(np.logical_and(one, other).sum() / either) if either else 1.0


def _gallery(kind: str, samples: Sequence[Sample], drawn: Sequence[Drawn | None]) -> Gallery:
    pictures = tuple(
        Picture(sample=one.sample, label=str(sample.attributes["class"]), source=getattr(sample, KINDS[kind]))
        for sample, one in zip(samples[:SHOWN], drawn, strict=False)
        if one
    )
    return Gallery(title=f"In the layout of {kind}", pictures=pictures)

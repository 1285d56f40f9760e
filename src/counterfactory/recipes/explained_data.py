"""Explanations as a run's published data and back: a split for each kind of picture.

What belongs to a counterfactual names it, so that no order is lost when a picture is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterfactory.errors import BadData
from counterfactory.recipes.explained import Explained
from counterfactory.types import Address, Collection, Dataset, Origin, Plain, Sample

ORIGINAL, CHANGED, START, DIFFERENCE, TRACE = "original", "counterfactual", "start", "difference", "trace"
OF, STEP = "counterfactual", "step"  # attributes of a picture that belongs to one


def published(made: Sequence[Explained], data: Dataset) -> dict[str, Dataset]:
    """All pictures of explanations."""
    splits = {
        ORIGINAL: list({one.source.image: one.source for one in made}.values()),
        CHANGED: [one.changed for one in made],
        START: [_part(one, one.start) for one in made if one.start],
        DIFFERENCE: [_part(one, one.difference) for one in made if one.difference],
        TRACE: [_part(one, image, step) for one in made for step, image in enumerate(one.trace)],
    }
    return {
        name: replace(data, samples=tuple(samples), split=name, weights=None)
        for name, samples in splits.items()
        if samples
    }


def read_back(data: Collection) -> list[Explained]:
    """The explanations that a run published, in their order."""
    if not {ORIGINAL, CHANGED} <= set(data.splits):
        raise BadData(f"{data.name} holds no explanations: expected a run of `counterfactory explain`.")
    sources = {sample.image.digest: sample for sample in data.splits[ORIGINAL].samples}
    starts, maps, traces = (_by_counterfactual(data.splits.get(name)) for name in (START, DIFFERENCE, TRACE))
    return [
        Explained(
            source=sources[sample.origin.parent],
            changed=sample,
            start=next(iter(starts[sample.image.digest]), None),
            difference=next(iter(maps[sample.image.digest]), None),
            trace=tuple(traces[sample.image.digest]),
        )
        for sample in data.splits[CHANGED].samples
        if sample.origin and sample.origin.parent in sources
    ]


def _part(one: Explained, image: Address, step: int | None = None) -> Sample:
    """With its source's label: a row without one would be left out when others have one."""
    named: dict[str, Plain] = {OF: one.changed.image.digest} | ({} if step is None else {STEP: step})
    origin = Origin(parent=one.source.image.digest)
    return Sample(image=image, target=one.source.target, attributes=named, origin=origin)


def _by_counterfactual(dataset: Dataset | None) -> Mapping[str, Sequence[Address]]:
    """Pictures by the counterfactual that they belong to, in steps."""
    found: defaultdict[str, list[Address]] = defaultdict(list)
    for sample in sorted(dataset.samples if dataset else (), key=_step):
        found[str(sample.attributes[OF])].append(sample.image)
    return found


def _step(sample: Sample) -> int:
    return int(sample.attributes.get(STEP) or 0)

"""A synthetic data set: how many pictures of each class, in nested sizes, drawn by class or made elsewhere."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median_high
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.data.read import read
from counterfactory.errors import BadData, unknown
from counterfactory.keys import seed_for
from counterfactory.recipes.augmentation import class_of
from counterfactory.recipes.job import distinct
from counterfactory.recipes.prepare import usable
from counterfactory.run import Run
from counterfactory.types import Dataset, Origin, Request, Sample, succeeded

Count = Annotated[int, Field(ge=1)]
Size = tuple[int, int]  # width, height
MADE = "made elsewhere"
LOOKED_AT = 32  # training images tell which size the drawings have


class Amount(BaseModel, frozen=True, extra="forbid"):
    """How many pictures are drawn: so many of each class, and that several times over."""

    per_class: Literal["original", "balanced"] | Count | Mapping[str, Annotated[int, Field(ge=0)]] = Field(
        default="original",
        description="as the training images are, as many in all but even, a number for each, or one by class name",
    )
    times: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        default=(1, 2, 4), description="sizes: x1, x2 and so on, each beginning with the one before"
    )

    def counts(self, train: Dataset) -> list[int]:
        """Pictures of each class in x1."""
        numbers = Counter(class_of(sample) for sample in train.samples)
        classes = train.classes
        if self.per_class == "original":
            return [numbers[label] for label in range(len(classes))]
        if self.per_class == "balanced":
            return [-(-len(train) // len(classes))] * len(classes)
        if isinstance(self.per_class, int):
            return [self.per_class] * len(classes)
        if lost := [name for name in self.per_class if name not in classes]:
            raise unknown("class", lost[0], classes)
        return [self.per_class.get(name, 0) for name in classes]

    def requests(self, train: Dataset, guidance: float, size: Size | None, seed: int) -> list[Request]:
        """What the largest set asks for: round by round of all classes, so that a part of it is a fair part."""
        counts = self.counts(train)
        most = max(self.times)
        return [
            asked(label, number, seed, guidance=guidance, size=size)
            for number in range(most * max(counts))
            for label, count in enumerate(counts)
            if number < most * count
        ]

    def nested(self, drawn: Sequence[Sample], train: Dataset) -> dict[str, Dataset]:
        """The sets, the smallest first."""
        counts = self.counts(train)
        groups = by_class(drawn)
        sets = {}
        for times in sorted(self.times):
            samples = [one for label, count in enumerate(counts) for one in groups[label][: times * count]]
            sets[f"x{times}"] = synthetic(samples, train, f"x{times}")
        return sets


def accepted(dataset: Dataset) -> Dataset:
    """Without the rows of weight 0, which somebody rejected."""
    if dataset.weights is None or all(dataset.weights):
        return dataset
    rows = [row for row, weight in enumerate(dataset.weights) if weight]
    weights = tuple(dataset.weights[row] for row in rows)
    return replace(dataset, samples=tuple(dataset.samples[row] for row in rows), weights=weights)


def by_class(samples: Sequence[Sample]) -> defaultdict[int, list[Sample]]:
    """Samples by their class, in their order."""
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[class_of(sample)].append(sample)
    return groups


def asked(label: int, number: int, turn: object, **said: Any) -> Request:
    """The wish for a picture of a class: its seed follows from which it is, never from how many there are."""
    return Request(prompt="", label=label, seed=seed_for("datagen", turn, label, number), **said)


def drawn(run: Run, engine: Any, requests: Sequence[Request]) -> list[Sample]:
    """Pictures in their order; what cannot be drawn is a failed row."""
    return [sample for _, sample in succeeded(zip(requests, run.map(engine, requests), strict=True))]


def synthetic(samples: Sequence[Sample], train: Dataset, split: str = "train") -> Dataset:
    """Drawings as a data set like the real one."""
    return replace(train, samples=tuple(samples), weights=None, split=split)


def to_publish(sets: Mapping[str, Dataset]) -> Dataset:
    """The largest set; each drawing says from which size on it belongs to one."""
    first: dict[Sample, str] = {}  # two drawings may be equal, but not their seeds
    for name, each in sets.items():
        for sample in each.samples:
            first.setdefault(sample, name)
    largest = list(sets.values())[-1]
    samples = [replace(sample, attributes={"set": first[sample]}) for sample in largest.samples]
    return synthetic(samples, largest)


def native_size(run: Run, train: Dataset) -> Size:
    """Width and height that most of some training images have, else their medians: drawings are given back so."""
    some = train.samples[:: max(1, len(train) // LOOKED_AT)][:LOOKED_AT]
    sizes = [run.worker.pixels.image(sample.image).size for sample in some]
    size, count = Counter(sizes).most_common(1)[0]
    if 2 * count > len(sizes):
        return size
    width, height = (median_high(sides) for sides in zip(*sizes, strict=True))
    return width, height


def made_elsewhere(run: Run, place: str, train: Dataset) -> dict[str, Dataset]:
    """A set that another program made, or another run: its classes are matched by name."""
    found = read(place)
    for problem in found.problems:
        run.watcher.note(f"{problem.where}: {problem.what}")
    found = usable(run, found)
    split = next((name for name in ("synthetic", "train") if name in found.splits), None)
    if split is None and len(found.splits) > 1:
        raise BadData(
            f"made: {place} has the splits {', '.join(found.splits)}; expected one called synthetic or train."
        )
    given = accepted(found.splits[split] if split else next(iter(found.splits.values())))
    if lost := [name for name in given.classes if name not in train.classes]:
        raise BadData(f"made: {unknown('class of the data', lost[0], train.classes)}")
    places = [train.classes.index(name) for name in given.classes]
    samples = [
        replace(sample, target=places[class_of(sample)], origin=sample.origin or Origin(model=place))
        for sample in given.samples
    ]
    return {MADE: synthetic(samples, train, MADE)}

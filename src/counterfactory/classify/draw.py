"""Which samples a training step sees. It follows from the seed and the step alone, so a step can be done again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadConfig, BadData
from counterfactory.types import Dataset

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """Sources are drawn; one that has synthetic children is replaced by one of them with a probability.

    Synthetic images that descend from no image of the data are children of all sources of their class.
    """

    seed: int
    sources: Rows
    chances: NDArray[np.float64] | None  # of the sources; none means each once a pass
    children: Mapping[int, tuple[Rows, NDArray[np.float64]]]
    synthetic_probability: float

    def rows(self, step: int, size: int) -> Rows:
        """The samples of one step's batch."""
        generator = np.random.default_rng([self.seed, 1, step])
        if self.chances is None:
            drawn = self.sources[self._in_turn(step * size, size)]
        else:
            drawn = generator.choice(self.sources, size, p=self.chances)
        return np.array([self._replaced(int(row), generator) for row in drawn], np.int64)

    def average(self, values: NDArray[np.float64]) -> float:
        """What a drawn sample has on average of something that all have."""
        expected = values[self.sources]
        for place, row in enumerate(self.sources.tolist()):
            if row in self.children:
                rows, chances = self.children[row]
                of_children = values[rows] @ chances
                expected[place] += self.synthetic_probability * (of_children - expected[place])
        return float(np.average(expected, weights=self.chances))

    def steps(self, first: int, last: int, size: int) -> "Steps":
        """The batches of some steps, drawn when they are asked for."""
        return Steps(draw=self, first=first, last=last, size=size)

    def _in_turn(self, start: int, size: int) -> Rows:
        """Places `start` to `start + size` of an endless row of shuffled passes."""
        places, n = np.arange(start, start + size), len(self.sources)
        return np.array([_shuffled(self.seed, int(at // n), n)[at % n] for at in places], np.int64)

    def _replaced(self, row: int, generator: np.random.Generator) -> int:
        if row not in self.children or generator.random() >= self.synthetic_probability:
            return row
        rows, chances = self.children[row]
        return int(generator.choice(rows, p=chances))


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The rows of consecutive steps, as a sequence that holds none of them."""

    draw: Draw
    first: int
    last: int
    size: int

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __getitem__(self, index: int) -> Rows:
        return self.draw.rows(self.first + index, self.size)

    def __iter__(self) -> Iterator[Rows]:
        return (self[index] for index in range(len(self)))


def plan(
    dataset: Dataset, targets: NDArray[Any], seed: int, balanced: bool, synthetic_probability: float | None
) -> Draw:
    """How a data set is drawn: weight 0 never; without a probability synthetic images stand for themselves."""
    weights = sample_weights(dataset)
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        raise BadData(f"Every image of the split {dataset.split!r} has weight 0, so there is nothing to train on.")
    parents = {} if synthetic_probability is None else _parents(dataset, kept)
    sources = np.array([row for row in kept if row not in parents], np.int64)
    alone = np.array([row for row in kept if row not in parents], np.int64)
    orphans = {} if synthetic_probability is None else _orphans(dataset, alone)
    adopted = {row for rows in orphans.values() for row in rows}
    sources = np.array([row for row in alone if row not in adopted], np.int64)
    return Draw(
        seed=seed,
        sources=sources,
        chances=_balanced(dataset, targets[sources]) if balanced else None,
        children=_families(dataset, parents, orphans, sources),
        synthetic_probability=synthetic_probability or 0.0,
    )


def loss_weights(dataset: Dataset, draw: Draw) -> NDArray[np.float32]:
    """What a sample counts in the loss, 1 on average: its weight; a child's says how often it comes instead."""
    weights = sample_weights(dataset)
    for rows, _ in draw.children.values():
        weights[rows] = 1.0
    return (weights / draw.average(weights)).astype(np.float32)


def sample_weights(dataset: Dataset) -> NDArray[np.float64]:
    """The weights (N,), all 1 where none are given."""
    if dataset.weights is None:
        return np.ones(len(dataset))
    weights = np.array(dataset.weights, np.float64)
    if len(weights) != len(dataset) or not np.all(np.isfinite(weights) & (weights >= 0)):
        raise BadData(f"The split {dataset.split!r} needs one weight an image, each a number from 0 up.")
    return weights


def _parents(dataset: Dataset, kept: Rows) -> dict[int, int]:
    """For each synthetic sample the source that it descends from, through other synthetic ones too."""
    row_of: dict[str, int] = {}
    for row in kept:
        row_of.setdefault(dataset.samples[row].image.digest, int(row))
    parents = {}
    for row in kept:
        source = _source(dataset, int(row), row_of)
        if source != row:
            parents[int(row)] = source
    return parents


def _source(dataset: Dataset, row: int, row_of: Mapping[str, int]) -> int:
    seen = {row}
    while True:
        origin = dataset.samples[row].origin
        parent = row_of.get(origin.parent) if origin is not None and origin.parent is not None else None
        if parent is None or parent in seen:
            return row
        seen.add(parent)
        row = parent


def _orphans(dataset: Dataset, rows: Rows) -> dict[int, list[int]]:
    """Synthetic samples by class that descend from no image here, where the class has images that nobody drew."""
    if dataset.task != "single-label":
        return {}
    real, drawn = set(), defaultdict[int, list[int]](list)
    for row in map(int, rows):
        sample = dataset.samples[row]
        assert isinstance(sample.target, int), "a data set of one label each has one for each"
        if sample.origin is None:
            real.add(sample.target)
        else:
            drawn[sample.target].append(row)
    return {target: found for target, found in drawn.items() if target in real}


def _families(
    dataset: Dataset, parents: Mapping[int, int], orphans: Mapping[int, list[int]], sources: Rows
) -> dict[int, tuple[Rows, NDArray[np.float64]]]:
    """What may come in place of each source, with its chances: its children, and all orphans of its class."""
    rows, weights = defaultdict[int, list[int]](list), sample_weights(dataset)
    for child, source in parents.items():
        rows[source].append(child)
    shared = {target: _chances(np.array(found, np.int64), weights) for target, found in orphans.items()}
    families = {}
    for source in map(int, sources):
        adopted: Any = dataset.samples[source].target if orphans else None
        if source in rows:
            families[source] = _chances(np.array(rows[source] + orphans.get(adopted, []), np.int64), weights)
        elif adopted in shared:
            families[source] = shared[adopted]
    return families


def _chances(rows: Rows, weights: NDArray[np.float64]) -> tuple[Rows, NDArray[np.float64]]:
    return rows, weights[rows] / weights[rows].sum()


def _balanced(dataset: Dataset, targets: NDArray[Any]) -> NDArray[np.float64]:
    """Chances under which every class comes equally often; a soft label belongs to its classes by their share."""
    if dataset.task == "multi-label":
        raise BadConfig("balanced: an image with several labels has no one class to balance; set it to false.")
    if dataset.task == "single-label":
        chances = 1 / np.bincount(targets)[targets]
    else:
        counts = targets.sum(0, dtype=np.float64)
        chances = (targets / np.where(counts > 0, counts, 1)).sum(1, dtype=np.float64)
    normalised: NDArray[np.float64] = chances / chances.sum()
    return normalised


@lru_cache(maxsize=4)
def _shuffled(seed: int, turn: int, n: int) -> Rows:
    return np.random.default_rng([seed, 0, turn]).permutation(n)

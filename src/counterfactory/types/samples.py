"""Labelled images and data sets of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Plain = str | int | float | bool | None
Target = int | tuple[float, ...] | tuple[int | None, ...] | None
Task = Literal["single-label", "soft-label", "multi-label", "segmentation"]


@dataclass(frozen=True, slots=True)
class Address:
    """Pixels: what they are (the digest) and where they lie now (the place). Only the first is identity."""

    digest: str
    place: str = field(default="blob", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How an image was made, and from what."""

    parent: str | None = None  # digest of the image it was made from
    prompt: str | None = None
    seed: int | None = None
    model: str | None = None  # name and revision
    changed: Mapping[str, str] = field(default_factory=dict, hash=False)  # factor -> new value
    settings: Mapping[str, Plain] = field(default_factory=dict, hash=False)  # strength, guidance, noise and their like


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image. A photograph has no origin; a score is a fact about a sample and not in it."""

    image: Address
    target: Target = None
    mask: Address | None = None
    caption: str | None = None
    attributes: Mapping[str, Plain] = field(default_factory=dict, hash=False)
    origin: Origin | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Ordered samples of one split. A filter is a weight of 0 or 1; no weights means all 1."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    task: Task = "single-label"
    split: str = "train"
    weights: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about the data that its owner should know."""

    where: str
    what: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """All that a path held: its splits by name, how it was recognised, and what was wrong with it."""

    name: str
    kind: str
    splits: Mapping[str, Dataset]
    problems: tuple[Problem, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return next(iter(self.splits.values())).classes

    @property
    def task(self) -> Task:
        return next(iter(self.splits.values())).task

"""What encoders of images say of explanations: real as a whole, near to their sources, one person, alike in runs."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from counterfactory.data.read import read
from counterfactory.errors import BadData
from counterfactory.metrics import explanations as worth
from counterfactory.metrics.realism import fid, kid, split_fid
from counterfactory.metrics.statistics import enough, in_percent
from counterfactory.metrics.validity import Vectors, cosines
from counterfactory.recipes.explained_data import read_back
from counterfactory.recipes.explanation_measures import Group, Measure, all_of, pairs
from counterfactory.run import Run
from counterfactory.score.features import Apart, Features
from counterfactory.types import Address, Interval


def by_encoder(run: Run, model: str, repetitions: int, seed: int) -> list[Measure]:
    """Whether counterfactuals look real as a whole, and how near each is to its source."""

    def sets(group: Group) -> tuple[Vectors, Vectors]:
        enough(len(group), 2, "A distance between sets")
        return _features(run, model, group)

    def sources(group: Group) -> list[str]:
        return [one.source.image.digest for one in group]

    return [
        Measure(name="FID ↓", take=lambda g: fid(*sets(g), seed), says="of sources and results"),
        Measure(
            name="sFID ↓",
            take=lambda g: split_fid(*sets(g), repetitions, seed, sources(g)),
            says=f"of half of the sources and the other half's results, {repetitions} splits",
        ),
        Measure(
            name="KID ↓",
            take=lambda g: kid(*sets(g), repetitions, seed, sources(g)),
            says="of such halves, without bias",
        ),
        Measure(
            name="perceptual distance ↓",
            take=lambda g: worth.mean_distance(_apart(run, model, pairs(g))),
            says="squared, in features of length 1 at each position",
        ),
    ]


def spread(run: Run, model: str, further: Sequence[str]) -> Measure:
    """How much several runs of one image differ, of all images and not only of those that flipped in each run."""

    def take(group: Group) -> Interval:
        runs: defaultdict[tuple[str, str], list[Address]] = defaultdict(list)
        for one in chain.from_iterable(_distinct([group, *map(_published, further)])):
            runs[one.source.image.digest, one.facts["wanted"]].append(one.changed.image)
        several: list[tuple[Address, ...]] = [tuple(images) for images in runs.values() if len(images) > 1]
        if not several:
            raise BadData("needs several runs of the same images: --set runs=[RUN, ...], made with other seeds.")
        return worth.mean_distance(_apart(run, model, several))

    return Measure(name="sigma_L", take=take, says="mean pairwise perceptual distance of an image's runs", of=("all",))


def _published(run: str) -> Group:
    """The explanations of a run, by its folder or by that of its data."""
    inner = Path(run) / "data"
    return read_back(read(str(inner) if inner.is_dir() else run))


def _distinct(runs: Sequence[Group]) -> Sequence[Group]:
    """The same pictures twice are one run, and no spread."""
    if len({frozenset(one.changed.image for one in group) for group in runs}) < len(runs):
        raise BadData("needs different runs, and two of these hold the same pictures; give runs made with other seeds.")
    return runs


def by_faces(run: Run, model: str) -> list[Measure]:
    """Whether the face is still the same person's."""
    return [
        Measure(
            name="FVA, %",
            take=lambda group: in_percent(worth.same_share(_cosines(run, model, group))),
            says=f"pairs with a cosine above {worth.SAME_PERSON}",
        ),
        Measure(name="face similarity", take=lambda group: worth.likeness(_cosines(run, model, group)), says="cosine"),
    ]


def by_likeness(run: Run, model: str) -> Measure:
    """S3: with an encoder that learnt without labels."""
    return Measure(name="S3", take=lambda group: worth.likeness(_cosines(run, model, group)), says="mean cosine")


def _cosines(run: Run, model: str, group: Group) -> list[float]:
    enough(len(group), 1, "A cosine")
    found: list[float] = cosines(*map(_directions, _features(run, model, group))).tolist()
    return found


def _directions(features_ND: Vectors) -> Vectors:
    lengths = np.linalg.norm(features_ND, axis=1, keepdims=True)
    unit: Vectors = features_ND / np.where(lengths > 0, lengths, 1.0)
    return unit


def _features(run: Run, model: str, group: Group) -> tuple[Vectors, Vectors]:
    """Of the sources and of the counterfactuals."""
    sources, changed = zip(*pairs(group), strict=True)
    said = np.stack(all_of(run.map(Features(model=model), [*sources, *changed]))).astype(float)
    return said[: len(group)], said[len(group) :]


def _apart(run: Run, model: str, groups: Sequence[tuple[Address, ...]]) -> list[float]:
    return all_of(run.map(Apart(model=model), groups))

"""Whether a synthetic set looks like real images, and whether it gives training images away: such sets are shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterfactory.errors import BadData
from counterfactory.metrics.distances import frechet_distance
from counterfactory.metrics.fidelity import NEIGHBOURS
from counterfactory.metrics.memorisation import RARE, Memorisation, memorisation
from counterfactory.metrics.statistics import in_percent
from counterfactory.recipes.augmentation import class_of
from counterfactory.recipes.diorama import is_strange
from counterfactory.recipes.fidelity_report import features, likeness
from counterfactory.recipes.trials import Choice
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed
from counterfactory.score.features import Features
from counterfactory.types import Dataset, Gallery, Picture, Sample, Table, succeeded

Look = ClipEmbed | Features
SHOWN = 60  # pairs that the page shows
MOST = 50_000  # images of a set that are compared with real ones, as many as published distances are told of
TRAINING = "training images"
SCALE = "Distances of CLIP's features are not on the scale of Inception's. "
STRANGE = (
    "The CLIP of `eyes` knows Diorama alone, so that likeness and leakage say little here: name another as `eyes`."
)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What there is to say of the pictures themselves."""

    words: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()


def looks(eyes: str | None, others: str | None) -> list[Look]:
    """Who looks at a set: a CLIP, and a second one to compare sets by."""
    return [*([ClipEmbed(model=eyes)] if eyes else []), *([Features(model=others)] if others else [])]


def quality(run: Run, looks: Sequence[Look], sets: Mapping[str, Dataset], choice: Choice) -> Quality:
    """Every set as models see it, beside unseen real images; of the largest one also what it repeats."""
    if not looks:
        return Quality(words=())
    if "validation" not in choice:
        return Quality(words=("No real images were kept apart, so nothing is said of likeness and leakage.",))
    tables = tuple(table for look in looks for table in _table(run, look, {TRAINING: choice["train"], **sets}, choice))
    clip = next((look for look in looks if isinstance(look, ClipEmbed)), None)
    if clip is None:
        return Quality(words=(), tables=tables)
    largest = list(sets.values())[-1]
    made, train, unseen = (_seen(run, clip, each) for each in (largest, choice["train"], choice["validation"]))
    strange = (STRANGE,) if is_strange(clip.model, train) else ()
    try:
        found = memorisation(*(features(run, clip, each.samples) for each in (made, train, unseen)))
    except BadData as error:
        return Quality(words=(*strange, f"Leakage is not told: {error}"), tables=tables)
    return Quality(words=(*strange, _sentence(found, made)), tables=tables, galleries=(_worst(found, made, train),))


def _seen(run: Run, look: Look, dataset: Dataset) -> Dataset:
    """Without what cannot be looked at: a picture is told by its place among those that were."""
    said = run.map(look, [sample.image for sample in dataset.samples])
    samples = tuple(sample for sample, _ in succeeded(zip(dataset.samples, said, strict=True)))
    return replace(dataset, samples=samples, weights=None)


def _table(run: Run, look: Look, sets: Mapping[str, Dataset], choice: Choice) -> tuple[Table, ...]:
    """The training images are what made ones can hope to be. One set after another: the largest fill the memory."""
    unseen = features(run, look, choice["validation"].samples)
    found = {
        name: _measured(unseen, features(run, look, _some(each.samples)))
        for name, each in sets.items()
        if min(len(each), len(unseen)) > NEIGHBOURS
    }
    if not found:
        return ()
    columns = ("set", *next(iter(found.values())))
    rows = tuple((name, *said.values()) for name, said in found.items())
    scale = SCALE if isinstance(look, ClipEmbed) else ""
    note = (
        f"Against {len(unseen)} real images that were kept apart, as {look.model} sees them, {NEIGHBOURS} "
        f"neighbours; of more than {MOST:,} images every second, third and so on. The kernel distance is KID over "
        f"whole sets. {scale}Fréchet distances compare sets of equal size alone."
    )
    title = "Likeness to real images" if isinstance(look, ClipEmbed) else "Likeness in other features"
    return (Table(title=title, columns=columns, rows=rows, note=note),)


def _some(samples: Sequence[Sample]) -> Sequence[Sample]:
    """At most so many, of each class as large a part: what neighbours cost grows with the square of their number."""
    return samples[:: -(-len(samples) // MOST)]


def _measured(unseen: Any, made: Any) -> dict[str, float]:
    return {"images": len(made), "Fréchet distance (FID)": frechet_distance(unseen, made), **likeness(unseen, made)}


def _sentence(found: Memorisation, made: Dataset) -> str:
    by_chance = in_percent(found.expected)
    verdict = "it repeats training images: look at the nearest pairs" if found.found else "no more than chance explains"
    return (
        f"Of {made.split}, {100 * found.share:.1f} % lie nearer to a training image than {100 * (1 - RARE):.0f} % of "
        f"unseen real images do ({by_chance.low:.1f} to {by_chance.high:.1f} % would by chance): {verdict}."
    )


def _worst(found: Memorisation, made: Dataset, train: Dataset) -> Gallery:
    """The drawings nearest to a training image, beside it."""
    pictures = tuple(
        Picture(
            sample=made.samples[row],
            label=made.classes[class_of(made.samples[row])],
            source=train.samples[found.places[row]].image,
            scores={"cosine": round(float(found.cosines[row]), 4)},
        )
        for row in found.worst[:SHOWN]
    )
    note = f"Beside each its nearest training image. Unseen real images seldom come nearer than {found.threshold:.3f}."
    return Gallery(title="Nearest to training images", pictures=pictures, note=note)

"""Whether a synthetic set looks like real images, and whether it gives training images away: such sets are shared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterfactory.errors import BadData
from counterfactory.metrics.distances import frechet_distance
from counterfactory.metrics.fidelity import NEIGHBOURS
from counterfactory.metrics.memorisation import RARE, Memorisation, memorisation
from counterfactory.metrics.statistics import in_percent
from counterfactory.recipes.augmentation import class_of
from counterfactory.recipes.fidelity_report import features, likeness
from counterfactory.recipes.trials import Choice
from counterfactory.run import Run
from counterfactory.types import Dataset, Gallery, Picture, Table

SHOWN = 60  # pairs that the page shows
TRAINING = "training images"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What there is to say of the pictures themselves."""

    words: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    galleries: tuple[Gallery, ...] = ()


def quality(run: Run, eyes: str | None, sets: Mapping[str, Dataset], choice: Choice) -> Quality:
    """Every set as a CLIP sees it, beside unseen real images; of the largest one also what it repeats."""
    if eyes is None:
        return Quality(words=())
    unseen, train = choice.get("validation"), choice["train"]
    if unseen is None:
        return Quality(words=("No real images were kept apart, so nothing is said of likeness and leakage.",))
    largest = list(sets.values())[-1]
    seen = features(run, eyes, train.samples)
    apart = features(run, eyes, unseen.samples)
    made = {name: features(run, eyes, each.samples) for name, each in sets.items()}
    tables = _table({TRAINING: seen, **made}, apart, eyes)
    try:
        found = memorisation(made[largest.split], seen, apart)
    except BadData as error:
        return Quality(words=(f"Leakage is not told: {error}",), tables=tables)
    return Quality(words=(_sentence(found, largest),), tables=tables, galleries=(_worst(found, largest, train),))


def _table(sets: Mapping[str, Any], unseen: Any, eyes: str) -> tuple[Table, ...]:
    """The training images are what made ones can hope to be."""
    enough = {name: each for name, each in sets.items() if min(len(each), len(unseen)) > NEIGHBOURS}
    if not enough:
        return ()
    found = {
        name: {"images": len(each), "Fréchet distance (FID)": frechet_distance(unseen, each), **likeness(unseen, each)}
        for name, each in enough.items()
    }
    columns = ("set", *next(iter(found.values())))
    rows = tuple((name, *said.values()) for name, said in found.items())
    note = (
        f"Against {len(unseen)} real images that no generator learnt from, as {eyes} sees them, {NEIGHBOURS} "
        "neighbours. The kernel distance is KID over whole sets. Distances of CLIP's features are not on the scale of "
        "Inception's; Fréchet distances compare sets of equal size alone."
    )
    return (Table(title="Likeness to real images", columns=columns, rows=rows, note=note),)


def _sentence(found: Memorisation, made: Dataset) -> str:
    share, expected = in_percent(found.share), 100 * found.expected
    verdict = "it repeats training images: look at the nearest pairs" if found.found else "no more than chance explains"
    return (
        f"Of {made.split}, {share.mean:.1f} % [{share.low:.1f}, {share.high:.1f}] lie nearer to a training image than "
        f"{100 * (1 - RARE):.0f} % of unseen real images do ({expected:.1f} % would by chance): {verdict}."
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

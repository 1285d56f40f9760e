"""The page of a synthetic data set: what it teaches, how it was come by, how it looks, and what it gives away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from counterfactory.recipes import cas, tuning_report
from counterfactory.recipes.diorama import is_strange
from counterfactory.recipes.generation import Amount, by_class
from counterfactory.recipes.leakage import Quality
from counterfactory.recipes.reports import several_methods
from counterfactory.recipes.searching import Round
from counterfactory.recipes.spent import spent
from counterfactory.recipes.trials import Choice, Trial, measuring_splits
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Gallery, Picture, Report, Table

SHOWN, FEW = 240, 6  # drawings in the grid of all classes; of one, where no set is wanted
FLATTERS = "Mind: TEST images chose how is drawn, as the published code has it, so that scores on them flatter."
GIVEN = "Mind: from which images the given model or set was made is not known here; any that judge it flatter it."
FOREIGN = (
    "The zoo's pipeline has only ever drawn Diorama, in 64 pixels: name one of photographs as "
    "`generator.encoder.base`, or say `generator.kind=pixels` for small pictures."
)


def glance(train: Dataset) -> Amount:
    """What is drawn to look at, where no set is wanted."""
    few = max(1, min(FEW, SHOWN // len(train.classes)))
    return Amount(per_class=dict.fromkeys(train.classes[:SHOWN], few), times=(1,))


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthesis:
    """All that came of a run."""

    data: Collection
    choice: Choice
    rounds: Sequence[Round]  # none of a set made elsewhere
    amount: Amount  # that was to be drawn
    sets: Mapping[str, Dataset]
    trials: Sequence[Trial]
    quality: Quality
    given: bool = False  # a model or a set that was there before


def told(run: Run, found: Synthesis, flatters: bool = False, base: str | None = None) -> Report:
    """What is to be read of it."""
    scored = _scored(found) if found.trials else Report(title="")
    words = [FOREIGN] if found.rounds and is_strange(base, found.choice["train"]) else []
    words += [*tuning_report.words(found.rounds), *_words(found)]
    seconds = tuple(spent(run).items())
    return replace(
        scored,
        title=f"Synthetic {found.data.name}",
        summary=(*[FLATTERS] * flatters, *scored.summary, *words),
        numbers={**scored.numbers, **tuning_report.numbers(found.rounds), "drawn": len(_largest(found))},
        tables=(
            *scored.tables,
            *tuning_report.tables(found.rounds),
            *found.quality.tables,
            *([Table(title="What it took", columns=("part", "seconds"), rows=seconds)] if seconds else []),
        ),
        plots=(*scored.plots, *tuning_report.plots(found.rounds)),
        galleries=(_grid(found), *found.quality.galleries, *scored.galleries),
    )


def _scored(found: Synthesis) -> Report:
    """The classification accuracy score; more of the first test split than of others."""
    tests = measuring_splits(found.data)
    first, usual = next(iter(tests.items()))
    report = several_methods("", found.trials, found.data, ())
    sizes = {name: len(each) for name, each in found.sets.items()}
    parts = {f"{name} / real on {first}": round(value, 4) for name, value in cas.of_real(found.trials, first).items()}
    curves = [cas.size_plot(found.trials, sizes, split) for split in tests] if len(sizes) > 1 else []
    return replace(
        report,
        summary=(_ratio(found, first), *report.summary),
        numbers={**parts, **report.numbers},
        tables=(*report.tables, cas.class_table(found.trials, usual)),
        plots=(*curves, *report.plots),
    )


def _ratio(found: Synthesis, split: str) -> str:
    parts = cas.of_real(found.trials, split)
    said = ", ".join(f"{name} {100 * value:.1f} %" for name, value in parts.items())
    return f"Of the accuracy that {cas.REAL} reach on {split}, by the same recipe: {said}."


def _words(found: Synthesis) -> list[str]:
    train, validation = found.choice["train"], found.choice.get("validation")
    said = [f"Learnt from {len(train)} training images of {len(train.classes)} classes."]
    if "validation" not in found.data.splits:
        held = f"{len(validation)} images were held out of training" if validation else "no image could be held out"
        said.append(f"Beside the images that measure, the data have no validation split: {held}.")
    if few := _of(train, 1):
        said.append(f"One training image is all there is of {few}: what is drawn of it may be a copy.")
    if validation and (unseen := _of(validation, 0)):
        said.append(f"No validation image shows {unseen}: what they chose may be bad at it.")
    return [*said, *_lacking(found), *_copies(found), *[GIVEN] * found.given, *found.quality.words]


def _of(dataset: Dataset, count: int) -> str:
    """The first classes of which there are so many images."""
    groups = by_class(dataset.samples)
    return ", ".join([name for label, name in enumerate(dataset.classes) if len(groups[label]) == count][:10])


def _lacking(found: Synthesis) -> list[str]:
    """Where sets are not what their names say."""
    if not found.rounds:
        none, name = _of(_largest(found), 0), _largest(found).split
        return [f"Mind: no image of {none} is in the set {name!r}."] if none else []
    wanted = [times * sum(found.amount.counts(found.choice["train"])) for times in sorted(found.amount.times)]
    pairs = zip(found.sets.values(), wanted, strict=True)
    return [f"Mind: of {each.split} only {len(each)} of {count} images could be drawn." for each, count in pairs
            if len(each) < count]  # fmt: skip


def _copies(found: Synthesis) -> list[str]:
    """Real images that stand in the set as they are: of those that measure, such scores flatter."""
    made = _largest(found)
    known = {sample.image.digest for sample in made.samples}
    twice = {name: sum(one.image.digest in known for one in real.samples) for name, real in found.data.splits.items()}
    return [f"Mind: {count} images of {name} are in the set {made.split!r}." for name, count in twice.items() if count]


def _grid(found: Synthesis) -> Gallery:
    """Drawings of each class, each beside a real image of it that has nothing to do with it."""
    train, made, real = (
        found.choice["train"],
        by_class(_largest(found).samples),
        by_class(found.choice["train"].samples),
    )
    each = max(1, SHOWN // len(train.classes))
    pictures = [
        Picture(sample=sample, label=name, source=beside.image)
        for label, name in enumerate(train.classes)
        for sample, beside in zip(made[label][:each], cycle(real[label]), strict=False)
    ]
    note = "Beside each a training image of its class: not what it was drawn after, only of the same class."
    return Gallery(title="Drawn, class by class", pictures=tuple(pictures[:SHOWN]), note=note)


def _largest(found: Synthesis) -> Dataset:
    return list(found.sets.values())[-1]

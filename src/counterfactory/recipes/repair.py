"""How much of what breaks a model is mended by training it further on counterfactuals of its training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.classify.labels import match, names_of
from counterfactory.classify.models import Checkpoint
from counterfactory.classify.predict import open_classifier
from counterfactory.classify.segment_train import SegmentTrainer
from counterfactory.classify.tested import SavedModel, is_segmenter, model_under_test
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.classify.under_test import UnderTest
from counterfactory.data.choose import unrelated
from counterfactory.data.limit import Quota
from counterfactory.errors import BadConfig, BadData
from counterfactory.metrics.statistics import mean_interval
from counterfactory.recipes.counterfactuals import Counterfactual, published
from counterfactory.recipes.job import distinct
from counterfactory.recipes.tested import Tested, ask, opened
from counterfactory.recipes.trials import training_split
from counterfactory.recipes.truth import true_counterfactual
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Collection, Dataset, Interval, Table

ARMS = ("as it was", "trained further", "trained further on counterfactuals too")


class Repair(BaseModel, frozen=True, extra="forbid"):
    """Fine-tunes a saved classifier or segmenter with and without counterfactuals, over seeds."""

    quota: Quota = Field(default=Quota(per_class=100), description="training images to make counterfactuals of")
    trainer: ClassifierTrainer = Field(
        default=ClassifierTrainer(steps=400, learning_rate=3e-4),
        description="how a classifier is trained; `model` is set",
    )
    segmenter: SegmentTrainer = Field(
        default=SegmentTrainer(schedule=Schedule(images=12_800, batch_size=32, learning_rate=3e-4, smoothing=0.99)),
        description="how a segmenter is trained; `start` is set",
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        default=(0, 1, 2), description="repetitions"
    )

    def trainers(self, model: str | Mapping[str, Any]) -> dict[int, ClassifierTrainer | SegmentTrainer]:
        """One for each seed, all going on from the model under test; says at once where that cannot be."""
        found = model_under_test(model)
        if not isinstance(found, SavedModel) or not isinstance(found.name, str):
            raise BadConfig("repair: only a saved model can be trained further; leave it out for this one.")
        if is_segmenter(found):
            courses = {seed: self.segmenter.schedule.model_copy(update={"seed": seed}) for seed in self.seeds}
            return {n: self.segmenter.model_copy(update={"start": found.name, "schedule": courses[n]}) for n in courses}
        start = Checkpoint(name=found.name, tune="full").model_dump()
        return {seed: self.trainer.with_(model=start, seed=seed) for seed in self.seeds}


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """Failure rates in percent, for each test and each way of training."""

    new: int  # counterfactuals that the last arm learnt from
    tests: Mapping[str, int]  # images of each
    failures: Mapping[str, Mapping[str, Interval]]  # arm -> test -> rate over seeds


def repaired(
    run: Run,
    model: Tested,
    trainers: Mapping[int, ClassifierTrainer | SegmentTrainer],
    sets: tuple[Dataset, Dataset],
    tests: Mapping[str, Dataset],
) -> Repaired:
    """Trains from the same weights on each of two sets of images and asks all three models about every test."""
    found: dict[str, dict[str, list[float]]] = {arm: {test: [] for test in tests} for arm in ARMS}
    learnt = [in_its_words(run, model, one) for one in sets]
    for seed, trainer in trainers.items():
        fitted = [run.fit(trainer, f"{a}, seed {seed}", train=s) for a, s in zip(ARMS[1:], learnt, strict=True)]
        models = [model, *(opened(run, artifact, model.labels, sets[0]) for artifact in fitted)]
        for arm, one in zip(ARMS, models, strict=True):
            for test, data in tests.items():
                found[arm][test].append(_failure_rate(run, one, data))
    rates = {arm: {test: mean_interval(values) for test, values in each.items()} for arm, each in found.items()}
    images = {test: len(data) for test, data in tests.items()}
    return Repaired(new=len(sets[1]) - len(sets[0]), tests=images, failures=rates)


def in_its_words(run: Run, model: Tested, data: Dataset) -> Dataset:
    """The same images in a classifier's own classes, so that it goes on with all that it knows."""
    if not isinstance(model, UnderTest):
        return data
    known = open_classifier(model.model.name, run.worker).classes
    places = match(names_of(known), len(known), data.classes, model.labels).places
    own: dict[Any, int] = {place: output for output, place in reversed(list(enumerate(places)))}
    samples = tuple(replace(sample, target=own.get(sample.target)) for sample in data.samples)
    return replace(data, samples=samples, classes=known)


def to_repair_with(data: Collection, tests: Dataset) -> Dataset:
    """Training images that nothing which is tested on was made from."""
    train = unrelated(training_split(data), tests)
    if not train.samples:
        raise BadData(f"repair: all training images are tested on, too, as {tests.split!r}; give others to train on.")
    return train


def hard_tests(data: Collection, tests: Dataset, made: Sequence[Counterfactual]) -> dict[str, Dataset]:
    """The images that were tested on, their counterfactuals, the true ones where they are known, and the data's own."""
    found = {tests.split: tests, **published(made, tests)}
    found.pop("rejected", None)
    true = [sample for one in made if one.counts and (sample := true_counterfactual(one.made))]
    if true:
        found["true counterfactual"] = replace(tests, samples=tuple(dict.fromkeys(true)), split="true", weights=None)
    others = {name: split for name, split in data.splits.items() if name.startswith("test") and name not in found}
    return {**found, **others}


def with_counterfactuals(train: Dataset, made: Sequence[Counterfactual]) -> Dataset:
    """Training images and those of their counterfactuals that count."""
    new = tuple(c.made.drawn for c in made if c.counts)
    weights = train.weights and (*train.weights, *(1.0,) * len(new))
    return replace(train, samples=(*train.samples, *new), weights=weights)


def repair_table(found: Repaired) -> Table:
    """Failures by test and way of training, and how many of them are gone."""
    rows = []
    for test, images in found.tests.items():
        before, plain, mended = (found.failures[arm][test] for arm in ARMS)
        gone = 100 * (1 - mended.mean / before.mean) if before.mean else None
        rows.append((test, images, before, plain, mended, gone))
    return Table(
        title="Repair",
        columns=("test", "images", *ARMS, "failures gone"),
        rows=tuple(rows),
        note=(
            f"Failures in %, mean and 95 % interval over seeds; both trainings take the same number of steps, the last "
            f"one on {found.new} counterfactuals too."
        ),
    )


def _failure_rate(run: Run, model: Tested, data: Dataset) -> float:
    """In percent of the images that the model can be asked about."""
    said = [one for one in ask(run, model, data.samples) if one is not None]
    return 100 * sum(one.failed for one in said) / max(1, len(said))

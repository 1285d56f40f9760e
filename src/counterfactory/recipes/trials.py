"""One trial: a classifier trained in one way from one choice of images, and what every test split says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from counterfactory.classify.predict import Evaluate
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.choose import hold_out, shots, unrelated
from counterfactory.errors import BadData, unknown
from counterfactory.recipes.job import distinct
from counterfactory.run import Run
from counterfactory.types import Artifact, Collection, Dataset, Failed, Task

HELD_OUT = 20  # images a class for validation, where the data have no such split
PART = 4  # where all images of a class are chosen, one of so many is held out of them
Choice = Mapping[str, Dataset]  # the images that one training sees: train, and perhaps validation
Shots = Annotated[Annotated[int, Field(ge=1)] | None, Field(description="training images a class; null for all")]
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(min_length=1, description="repetitions: each chooses its own images and trains its own networks"),
    AfterValidator(distinct),
]
Trained = Annotated[ClassifierTrainer, Field(description="how each network is trained")]


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """One training of a comparison: by which method, from how many images, on what."""

    method: str
    shots: int | None
    trainer: ClassifierTrainer
    data: Choice


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A method, a seed, the classifier it led to, and its answers by split."""

    method: str
    seed: int
    task: Task
    classifier: Artifact
    answers: Mapping[str, Any] = field(repr=False)  # split -> {"probabilities", "targets"}
    shots: int | None = None  # training images a class; none for all


def tried(run: Run, arms: Sequence[Arm], data: Collection) -> list[Trial]:
    """Trains every arm; then the test splits are opened, once."""
    trained = [
        run.fit(arm.trainer, f"train {i}/{len(arms)}: {arm.method}, seed {arm.trainer.seed}", **arm.data)
        for i, arm in enumerate(arms, 1)
    ]
    tests = measuring_splits(data)
    return [
        Trial(
            method=arm.method,
            seed=arm.trainer.seed,
            task=data.task,
            classifier=artifact,
            answers=answers(run, artifact, tests),
            shots=arm.shots,
        )
        for arm, artifact in zip(arms, trained, strict=True)
    ]


def ready(collection: Collection, per_class: int | None, seed: int) -> None:
    """Refuses at once what could not be trained or measured hours later."""
    measuring_splits(collection)
    chosen = few_shot(collection, per_class, seed)["train"]
    if collection.task == "single-label" and len({str(sample.target) for sample in chosen.samples}) < 2:
        raise BadData(f"{collection.name}: the training images show one class; a classifier tells two or more apart.")


def few_shot(collection: Collection, per_class: int | None, seed: int) -> dict[str, Dataset]:
    """Training images by content and seed; validation as the data have it, or by a rule, which `validated` tells.

    It is held out of what was not chosen. Where that is not some of every class, it is held out of what was: a quarter
    of the shots, or up to twenty images a class where no number of shots is given.
    """
    whole = training_split(collection)
    train = whole if per_class is None else shots(whole, per_class, seed)
    if "validation" in collection.splits:
        return {"train": train, "validation": collection.splits["validation"]}
    validation = hold_out(whole, HELD_OUT, seed, without=train)
    if not _shows_all(validation, whole):
        most = HELD_OUT if per_class is None else per_class // PART
        validation = hold_out(train, most, seed, without=replace(train, samples=(), weights=None))
        train = unrelated(train, validation)
    return {"train": train, "validation": validation} if validation.samples else {"train": train}


def training_split(collection: Collection) -> Dataset:
    """The split to train on."""
    _refuse_without_labels(collection)
    if "train" not in collection.splits:
        raise BadData(
            f"{collection.name} has no training split (it has {', '.join(collection.splits)}); "
            "expected a folder `train`, or a split column that says train."
        )
    return collection.splits["train"]


def split_of(collection: Collection, name: str) -> Dataset:
    """A split by name; the only one there is whatever it is called."""
    if name in collection.splits:
        return collection.splits[name]
    if len(collection.splits) == 1:
        return next(iter(collection.splits.values()))
    raise unknown("split", name, collection.splits)


def measuring_splits(collection: Collection) -> dict[str, Dataset]:
    """The splits that measure: opened once, after every choice is made."""
    _refuse_without_labels(collection)
    found = {name: data for name, data in collection.splits.items() if name.startswith("test")}
    if not found:
        raise BadData(
            f"{collection.name} has no test split (it has {', '.join(collection.splits)}); "
            "expected a folder whose name begins with `test`, so that the answer is measured on images nobody chose by."
        )
    return found


def answers(run: Run, classifier: Artifact | str, splits: Mapping[str, Dataset]) -> dict[str, Any]:
    """What a classifier says of each split; remembered, as every result."""
    found = run.map(Evaluate(classifier=classifier), list(splits.values()))
    for split, answer in zip(splits, found, strict=True):
        if isinstance(answer, Failed):
            raise BadData(f"The split {split!r} cannot be measured: {answer.reason}")
    return dict(zip(splits, found, strict=True))


def _refuse_without_labels(collection: Collection) -> None:
    if collection.task == "segmentation":
        raise BadData(
            f"{collection.name} has a mask for each image and no label (segmentation); "
            "expected images with labels: class folders, or a table of path and label."
        )


def _shows_all(validation: Dataset, whole: Dataset) -> bool:
    """Whether some of every class is there; of several labels or soft ones, whether anything is."""
    held, every = ({s.target for s in data.samples if isinstance(s.target, int)} for data in (validation, whole))
    return bool(validation.samples) and held == every

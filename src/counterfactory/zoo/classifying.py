"""How the zoo's two classifiers learn: as anybody's would, with the trainer that every recipe shares."""

from collections.abc import Mapping
from typing import Any

from counterfactory.classify.predict import Evaluate
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.diorama.splits import read
from counterfactory.training.loading import quiet
from counterfactory.training.saving import save_half
from counterfactory.types import Dataset
from counterfactory.worker import Worker
from counterfactory.zoo.order import Order

STEPS_A_MINUTE = 450  # about what a core takes: the time that is given stands for a number, so that a training is exact
SEED = 64_000  # nobody's data sets have it: the classifiers have seen no scene of a person's `diorama:`
TESTS = 2_000  # scenes of each kind that the accuracy is measured on


def usual_scenes(split: str, number: int) -> Dataset:
    """Diorama's usual scenes."""
    sizes = {"train": 0, "validation": 0, "test": 0, split: number}
    return diorama(sizes)[split]


def trained(order: Order, worker: Worker, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    """Learns for as many steps as the time stands for, and is measured on scenes of every kind."""
    steps = max(1, round(order.minutes * STEPS_A_MINUTE))
    trainer = ClassifierTrainer(steps=steps)
    trainer = trainer.with_(batch_size=order.batch) if order.batch else trainer
    numbers = dict(trainer.fit(worker, order.folder, datasets))
    _halve(order)
    number = min(TESTS, len(datasets["train"]))
    tests = diorama({"train": 0, "validation": 0, "test": number})
    found = Evaluate(classifier=str(order.folder)).load(worker)([*tests.values()])
    numbers.pop("history", None)
    return numbers | {split: _accuracy(answers) for split, answers in zip(tests, found, strict=True)}


def diorama(sizes: Mapping[str, int]) -> Mapping[str, Dataset]:
    """Splits of Diorama that nobody's data sets have."""
    return read(",".join(f"{name}={number}" for name, number in {**sizes, "seed": SEED}.items())).splits


def _halve(order: Order) -> None:
    """The same weights in 16 bits."""
    from transformers import AutoModelForImageClassification

    with quiet():
        save_half(AutoModelForImageClassification.from_pretrained(order.folder, trust_remote_code=False), order.folder)


def _accuracy(answers: Any) -> float:
    return round(float((answers["probabilities"].argmax(1) == answers["targets"]).mean()), 4)

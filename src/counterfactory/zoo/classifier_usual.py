"""The zoo's model under test: a classifier that has learnt from Diorama's usual scenes alone, and fails on others."""

from collections.abc import Mapping
from typing import Any

from counterfactory.worker import Worker
from counterfactory.zoo.classifying import trained, usual_scenes
from counterfactory.zoo.order import Order

SCENES = 6_000  # to learn from; a twelfth of it to choose the best state with


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """As many steps as the time stands for; the numbers that came of it."""
    number = order.scenes or SCENES
    data = {"train": usual_scenes("train", number), "validation": usual_scenes("validation", number // 12)}
    return trained(order, worker, data)

"""The zoo's classifier that knows all that the zoo may see: a filter's opinion, independent of the model under test."""

from collections.abc import Mapping
from typing import Any

from counterfactory.worker import Worker
from counterfactory.zoo.classifying import trained
from counterfactory.zoo.order import Order
from counterfactory.zoo.world import seen_scenes

SCENES = 16_000  # to learn from; a sixteenth of it to choose the best state with


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """As many steps as the time stands for; the numbers that came of it."""
    number = order.scenes or SCENES
    data = {"train": seen_scenes("train", number), "validation": seen_scenes("validation", number // 16)}
    return trained(order, worker, data)

"""A first CLIP, whose eyes the captioner begins with; it does not ship."""

from collections.abc import Mapping
from typing import Any

from counterfactory.score.trainers import ClipTrainer
from counterfactory.worker import Worker
from counterfactory.zoo.clip import learnt
from counterfactory.zoo.order import Order


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    return learnt(order, worker, ClipTrainer())

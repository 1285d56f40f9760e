"""The zoo's segmenter under test: it has learnt the pixels of Diorama's usual scenes alone, and fails on others."""

from collections.abc import Mapping
from typing import Any

from counterfactory.worker import Worker
from counterfactory.zoo.order import Order

SCENES = 6_000  # to learn from; a twelfth of it to watch over


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    from counterfactory.zoo.segmenting import trained

    return trained(order, worker, order.scenes or SCENES)

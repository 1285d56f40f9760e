"""The zoo's ControlNet for segmentation masks, beside its finished text-to-image model."""

from collections.abc import Mapping
from typing import Any

from counterfactory.diffusion.control import trained
from counterfactory.diffusion.trainers import ControlTrainer
from counterfactory.worker import Worker
from counterfactory.zoo.figures import figures
from counterfactory.zoo.frozen import frozen
from counterfactory.zoo.order import Order
from counterfactory.zoo.world import seen_scenes

ATTENDS = (False, False, True)  # at the lowest level only: elsewhere layouts are read without, to be half as large


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    data = {"train": seen_scenes("train", order.scenes or 24_000), "validation": seen_scenes("validation", 64)}
    (base,) = frozen(order, "latent")
    trainer = ControlTrainer(base=base, control="masks", attends=ATTENDS)
    return trained(
        order.within(trainer), worker, order.folder, data, figures(order, worker, data["validation"].samples)
    )

"""The zoo's diffusion model of pixels, for explanations: unconditional, of 32 pixels, with learnt variance."""

from collections.abc import Mapping
from typing import Any

from counterfactory.diffusion.pixel import trained
from counterfactory.diffusion.trainers import PixelTrainer
from counterfactory.training.schedule import Schedule
from counterfactory.worker import Worker
from counterfactory.zoo.figures import figures
from counterfactory.zoo.order import Order
from counterfactory.zoo.world import seen_scenes

FURTHER = 5e-4  # the learning rate of what has learnt before


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    data = {"train": seen_scenes("train", order.scenes or 100_000), "validation": seen_scenes("validation", 64)}
    trainer = PixelTrainer(start=order.start, shrink=2, weight_of_noise=25, most_signal=5)
    if order.start:
        said = trainer.schedule.model_dump() | {"learning_rate": FURTHER}
        trainer = trainer.model_copy(update={"schedule": Schedule(**said)})
    return trained(order.within(trainer), worker, order.folder, data, figures(order, worker))

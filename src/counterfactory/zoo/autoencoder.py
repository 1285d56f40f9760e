"""The zoo's autoencoder: pictures of 64 pixels to latents of 16 and back."""

from collections.abc import Mapping
from typing import Any

from counterfactory.diffusion.autoencoder import trained
from counterfactory.diffusion.trainers import AutoencoderTrainer
from counterfactory.worker import Worker
from counterfactory.zoo.order import Order
from counterfactory.zoo.world import seen_scenes


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    data = {"train": seen_scenes("train", order.scenes or 24_000), "validation": seen_scenes("validation", 64)}
    return trained(order.within(AutoencoderTrainer()), worker, order.folder, data)

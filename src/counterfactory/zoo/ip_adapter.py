"""The zoo's IP-Adapter: its finished text-to-image model listens to pictures as its finished CLIP sees them."""

from collections.abc import Mapping
from typing import Any

from counterfactory.diffusion.image_prompt import trained
from counterfactory.diffusion.trainers import ImagePromptTrainer
from counterfactory.worker import Worker
from counterfactory.zoo.figures import figures
from counterfactory.zoo.frozen import frozen
from counterfactory.zoo.order import Order
from counterfactory.zoo.world import seen_scenes


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    data = {"train": seen_scenes("train", order.scenes or 100_000), "validation": seen_scenes("validation", 64)}
    base, encoder = frozen(order, "latent", "clip")
    trainer = order.within(ImagePromptTrainer(base=base, encoder=encoder))
    return trained(trainer, worker, order.folder, data, figures(order, worker, data["validation"].samples))

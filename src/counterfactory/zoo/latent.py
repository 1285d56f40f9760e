"""The zoo's text-to-image model, in the latents of its autoencoder."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterfactory.diffusion.latent import trained
from counterfactory.diffusion.trainers import LatentTrainer
from counterfactory.errors import BadConfig
from counterfactory.training.arrays import kept_pictures
from counterfactory.worker import Worker
from counterfactory.zoo.figures import figures
from counterfactory.zoo.order import NUMBERS, Order
from counterfactory.zoo.world import seen_scenes


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    data = {"train": seen_scenes("train", order.scenes or 100_000), "validation": seen_scenes("validation", 64)}
    kept_pictures(worker, data["train"], 64)  # the autoencoder may be learning still
    trainer = LatentTrainer(autoencoder=str(_frozen(order.zoo / "autoencoder", order.folder / "frozen")))
    return trained(
        order.within(trainer), worker, order.folder, data, figures(order, worker, data["validation"].samples)
    )


def _frozen(autoencoder: Path, copy: Path) -> Path:
    """A copy of the autoencoder as it is at the first call: what learns in its latents goes on with the same ones."""
    if not copy.exists():
        if not (autoencoder / NUMBERS).exists():
            raise BadConfig(f"There is no finished autoencoder in {autoencoder}; train it first: --model autoencoder.")
        part = copy.with_suffix(".part")
        shutil.copytree(autoencoder, part, ignore=shutil.ignore_patterns("training", NUMBERS), dirs_exist_ok=True)
        part.rename(copy)
    return copy

"""The zoo's captioner: says all that Diorama's plain wording says. It begins with the eyes of a first CLIP."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from counterfactory.caption.blip_training import trained
from counterfactory.caption.models import open_captioner
from counterfactory.caption.trainers import CaptionTrainer
from counterfactory.training.arrays import kept_pictures
from counterfactory.types import Dataset
from counterfactory.worker import Worker
from counterfactory.zoo.frozen import first_copy
from counterfactory.zoo.order import Order
from counterfactory.zoo.wording import FACTORS, named, plainly
from counterfactory.zoo.world import seen_scenes

FRESH, BATCH, TOKENS = 1024, 64, 40


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    scenes = {"train": seen_scenes("train", order.scenes or 100_000), "validation": seen_scenes("validation", FRESH)}
    trainer = CaptionTrainer(start=first_copy(order, "clip_first"))
    pictures = {split: kept_pictures(worker, data, trainer.size) for split, data in scenes.items()}
    words = {split: plainly(data) for split, data in scenes.items()}
    numbers = trained(order.within(trainer), worker, order.folder, words, pictures)
    return {**numbers, **named_right(order.folder, pictures["validation"], scenes["validation"], worker.device)}


def named_right(folder: Path, pictures: Path, scenes: Dataset, device: str) -> dict[str, float]:
    """How often all that a caption names is right with at least four factors named, and how often each factor is."""
    said = [named(text) for text in _said(folder, np.load(pictures, mmap_mode="r"), device)]
    true = [sample.attributes for sample in scenes.samples]
    right = [[true[n][factor] == value for factor, value in found.items()] for n, found in enumerate(said)]
    figures = {"named_right": float(np.mean([all(each) and len(each) >= 4 for each in right]))}
    for factor in FACTORS:
        told = [found[factor] == true[n][factor] for n, found in enumerate(said) if factor in found]
        figures[f"{factor}_right"] = float(np.mean(told)) if told else 0.0
    return figures


def _said(folder: Path, pixels: np.ndarray, device: str) -> Iterator[str]:
    captioner = open_captioner(folder, device)
    for start in range(0, len(pixels), BATCH):
        seen = captioner.see([Image.fromarray(picture) for picture in pixels[start : start + BATCH]])
        yield from captioner.say(seen, None, TOKENS)

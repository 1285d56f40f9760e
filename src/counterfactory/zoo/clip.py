"""The zoo's CLIP: how well a picture and a text go together, and the picture's side for the IP-Adapter.

Which of two texts fits a picture teaches the surroundings soon and the shapes of things late; saying what is there
teaches both. So it begins with the eyes of the captioner, which began with those of a first CLIP.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.place import scene_at
from counterfactory.data.diorama.world import CLASSES, FACTORS, Scene, changed
from counterfactory.score.clip_model import Clip, open_clip
from counterfactory.score.clip_training import trained
from counterfactory.score.trainers import ClipTrainer
from counterfactory.training.arrays import kept_pictures
from counterfactory.types import Dataset
from counterfactory.worker import Worker
from counterfactory.zoo.frozen import first_copy
from counterfactory.zoo.order import Order
from counterfactory.zoo.wording import partly
from counterfactory.zoo.world import seen_scenes

FRESH, TOLD = 1024, 256  # pictures that finding captions, and telling factors apart, are measured on


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    return learnt(order, worker, ClipTrainer(start=first_copy(order, "captioner")))


def learnt(order: Order, worker: Worker, trainer: ClipTrainer) -> Mapping[str, Any]:
    """The CLIP of a trainer, within the order's time."""
    scenes = {"train": seen_scenes("train", order.scenes or 100_000), "validation": seen_scenes("validation", FRESH)}
    pictures = {split: kept_pictures(worker, data, trainer.size) for split, data in scenes.items()}
    words = {**scenes, "train": partly(scenes["train"])}
    numbers = trained(order.within(trainer), worker, order.folder, words, pictures)
    return {**numbers, **told_apart(order.folder, pictures["validation"], scenes["validation"], worker.device)}


def told_apart(folder: Path, pictures: Path, scenes: Dataset, device: str) -> dict[str, float]:
    """How often the right caption is nearer than those that differ in one factor; and the bare class's prompt."""
    clip, shown = open_clip(folder, device), [scene_at(sample.image.place) for sample in scenes.samples[:TOLD]]
    pixels = np.load(pictures, mmap_mode="r")[: len(shown)]
    images_BD = clip.images([Image.fromarray(picture) for picture in pixels]).numpy()
    bare = clip.texts([f"a photo of a {kind}" for kind in CLASSES]).numpy()
    right = (images_BD @ bare.T).argmax(1) == [CLASSES.index(scene.kind) for scene in shown]
    figures = {"zero_shot_class": float(right.mean())}
    for factor in FACTORS:
        found = [_is_told(clip, image, scene, factor) for image, scene in zip(images_BD, shown, strict=True)]
        figures[f"{'class' if factor == 'kind' else factor}_told"] = float(np.mean([f for f in found if f is not None]))
    return figures


def _is_told(clip: Clip, image_D: np.ndarray, scene: Scene, factor: str) -> bool | None:
    """Whether the true value's caption is the nearest; nothing where a room hides the factor's other values."""
    if scene.surface == "room" and factor in {"surface", "weather"}:
        return None
    seen = CLASSES if factor == "kind" else FACTORS[factor]
    values = [value for value in seen if (factor, value) != ("surface", "room")]
    texts = clip.texts([caption(changed(scene, **{factor: value})) for value in values]).numpy()
    return bool(values[int((texts @ image_D).argmax())] == getattr(scene, factor))

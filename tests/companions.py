"""A tiny text-to-image model with random weights, and data for what learns beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPConfig, CLIPModel

from counterfactory.diffusion import autoencoder, latent
from counterfactory.diffusion.saving import save_pipeline
from counterfactory.diffusion.trainers import AutoencoderTrainer, LatentTrainer, Network
from counterfactory.training.schedule import Schedule
from counterfactory.training.tokenizer import learn_tokenizer
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

SIZE = 16
COURSE = Schedule(images=64, batch_size=2, learning_rate=2e-3, rise=5)
NETWORK = Network(channels=(8, 16), attends=(False, True), heads=2, groups=4, text_width=16, text_layers=1)
EMBEDDING = 12  # numbers that the image encoder says of a picture


def worker(folder: Path) -> Worker:
    return Worker(workspace=folder, processes=1)


def data(number: int = 24, shown: int = 4) -> dict[str, Dataset]:
    return {"train": seen_scenes("train", number, SIZE), "validation": seen_scenes("validation", shown, SIZE)}


def requests(*guidances: float) -> list[Request]:
    words = ("a red car on grass", "a blue boat in fog", "a dog", "a white cup at night")
    return [Request(prompt=words[n % 4], seed=n, guidance=guidance) for n, guidance in enumerate(guidances)]


def save_base(folder: Path, side: int = SIZE) -> Path:
    """A pipeline that has learnt nothing."""
    pictures = AutoencoderTrainer(schedule=COURSE, size=SIZE, crop=8, channels=(8, 8, 8))
    captions = [sample.caption or "" for sample in data()["train"].samples]
    tokenizer = learn_tokenizer(captions, 600, 32)
    trainer = LatentTrainer(autoencoder=str(folder), schedule=COURSE, network=NETWORK, size=SIZE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = latent.build(trainer, tokenizer, (1, 4, side // 4, side // 4))
        save_pipeline(latent.parts_of(module, autoencoder.build(pictures), tokenizer), folder)
    return folder


def save_clip(folder: Path) -> Path:
    """A CLIP model of random weights that wants pictures of 8 pixels."""
    text = {"vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**shape, "image_size": 8, "patch_size": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = CLIPConfig(text_config={**text, **shape}, vision_config=vision, projection_dim=EMBEDDING)
        CLIPModel(config).save_pretrained(folder)
    return folder


class Killed(Exception):
    """Stands for a signal that ends the process between two instructions."""


@contextmanager
def killed_at(call: int) -> Iterator[None]:
    """What goes on inside ends when the denoiser is called once more than so often, which it must be."""
    calls, forward = iter(range(call)), UNet2DConditionModel.forward

    def dying(*given: Any, **more: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return forward(*given, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "forward", dying)
        with pytest.raises(Killed):
            yield

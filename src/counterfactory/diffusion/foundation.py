"""A finished text-to-image model as others learn beside it: frozen, with a data set in its latents and words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfactory.diffusion.drawing import Parts, open_parts, summaries
from counterfactory.diffusion.fits import has_unet
from counterfactory.diffusion.latent import all_captions, weights
from counterfactory.diffusion.latents import kept_latents
from counterfactory.diffusion.prompts import Words
from counterfactory.errors import BadConfig, BadData
from counterfactory.names import model_folder
from counterfactory.training.fitting import Rows
from counterfactory.training.tokenizer import tokens
from counterfactory.types import Dataset
from counterfactory.worker import Worker

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, kw_only=True)
class Material:
    """A data set as a model takes it, on disk: a value that travels to the processes of a training."""

    latents: Path
    tokens: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Noised:
    """Latents at random times, what is said of them, and what a network that removes the noise should say."""

    latents: Tensor
    times: Tensor
    text: Tensor
    wanted: Tensor
    weights: Tensor

    def each(self, predicted: Tensor) -> Tensor:
        """How far a prediction is off, of each picture."""
        return self.weights * (predicted.float() - self.wanted).pow(2).mean((1, 2, 3))

    def loss(self, predicted: Tensor) -> Tensor:
        """How far a prediction is off."""
        return self.each(predicted).mean()


@dataclass(frozen=True, kw_only=True, eq=False)
class Noising:
    """How a model learnt to see noise laid on, and what it was asked to say then."""

    signal: Tensor  # what is left of the signal's power at each time
    predicts_velocity: bool

    def laid(self, x_BCHW: Tensor, noise: Tensor, times: Tensor, text: Tensor) -> Noised:
        """Latents with their noise laid on."""
        power = self.signal[times][:, None, None, None]
        velocity = power.sqrt() * noise - (1 - power).sqrt() * x_BCHW
        return Noised(
            latents=power.sqrt() * x_BCHW + (1 - power).sqrt() * noise,
            times=times,
            text=text,
            wanted=velocity if self.predicts_velocity else noise,
            weights=weights(power.flatten()) if self.predicts_velocity else torch.ones_like(power.flatten()),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Base:
    """The frozen model and its material, opened."""

    parts: Parts
    latents: np.ndarray
    tokens: Tensor
    nothing: Tensor  # the tokens of no text
    noising: Noising

    def noised(self, rows: Rows, unsaid: float, generator: torch.Generator) -> Noised:
        """Some rows with noise laid on; a share of their captions is left unsaid."""
        device = self.noising.signal.device
        x_BCHW = torch.from_numpy(self.latents[rows]).to(device).float()
        said = self.tokens[torch.from_numpy(rows).to(device)]
        silent = torch.rand(len(rows), generator=generator, device=device) < unsaid
        said = torch.where(silent[:, None], self.nothing, said)
        times = torch.randint(len(self.noising.signal), (len(rows),), generator=generator, device=device)
        noise = torch.randn(x_BCHW.shape, generator=generator, device=device)
        with torch.no_grad():
            text = self.parts.text_encoder(said.long())[0]
        return self.noising.laid(x_BCHW, noise, times, text)


def guess(parts: Parts, noised: Noised, words: Sequence[Words], size: int) -> Tensor:
    """What a model says of noised latents, having heard the words as pictures of that size are described."""
    added = summaries(words, (size, size), noised.latents.device)
    said: Tensor = parts.unet(
        noised.latents, noised.times, encoder_hidden_states=noised.text, added_cond_kwargs=added
    ).sample
    return said


def learning_size(base: str, wanted: int | None) -> int:
    """The side of the pictures that something learns from beside a model: the model's own unless another is wanted."""
    folder = model_folder(base)
    if not has_unet(folder):
        raise BadConfig(f"base: nothing learns beside {base} here; give a pipeline of the kind of SD 1.5 or SDXL.")
    unet, vae = (json.loads((folder / part / "config.json").read_text("utf-8")) for part in ("unet", "vae"))
    if unet["in_channels"] != vae["latent_channels"]:
        raise BadConfig(f"base: {base} only paints into holes; give the pipeline that it was made from.")
    levels = vae.get("block_out_channels") or vae["encoder_block_out_channels"]
    factor = 2 ** (len(levels) - 1)
    size = wanted or int(unet["sample_size"]) * factor
    if size % factor:
        raise BadConfig(f"size: {size} is not a multiple of {factor} pixels, which {base} works in.")
    return size


def rows_by_class(dataset: Dataset) -> list[list[int]]:
    """The rows of each class of a data set; those of weight 0 were rejected."""
    if dataset.task != "single-label":
        raise BadConfig(f"Classes are learnt from pictures that show one each; this data set is {dataset.task}.")
    weights = dataset.weights or (1.0,) * len(dataset)
    rows: dict[Any, list[int]] = {number: [] for number in range(len(dataset.classes))}
    for row, (sample, weight) in enumerate(zip(dataset.samples, weights, strict=True)):
        if sample.target not in rows:
            raise BadData(f"{sample.image.place} has no class that could be learnt; leave it out or label it.")
        if weight:
            rows[sample.target].append(row)
    if empty := [name for number, name in enumerate(dataset.classes) if not rows[number]]:
        raise BadData(f"No picture to learn from for {', '.join(empty)}; leave the class out or add one.")
    return list(rows.values())


def kept_material(worker: Worker, dataset: Dataset, base: str, size: int, folder: Path) -> Material:
    """A data set in a model's latents, which the workspace keeps, and in its tokens, which the training keeps."""
    from transformers import CLIPTokenizer

    latents = kept_latents(worker, dataset, str(model_folder(base) / "vae"), size)
    tokenizer = CLIPTokenizer.from_pretrained(model_folder(base) / "tokenizer")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokens.npy"
    np.save(path, tokens(tokenizer, all_captions(dataset)).numpy().astype(np.int32))
    return Material(latents=latents, tokens=path)


def open_base(name: str, material: Material, worker: Worker) -> Base:
    """The model and its material on a worker's device."""
    parts, noising = open_frozen(name, worker)
    return Base(
        parts=parts,
        latents=np.load(material.latents, mmap_mode="r"),
        tokens=torch.from_numpy(np.load(material.tokens)).to(worker.device),
        nothing=tokens(parts.tokenizer, [""]).to(worker.device, torch.int32),
        noising=noising,
    )


def open_frozen(name: str, worker: Worker) -> tuple[Parts, Noising]:
    """The model on a worker's device, and how it sees noise."""
    parts = open_parts(name, worker.device)
    said = parts.scheduler.config.prediction_type
    if said not in PREDICTIONS:
        raise BadConfig(f"{name} predicts {said!r}; something can learn beside models of {' or '.join(PREDICTIONS)}.")
    if worker.dtype == "float32":
        parts.unet.to(memory_format=torch.channels_last)  # faster, as where it was trained
    signal: Any = parts.scheduler.alphas_cumprod
    return parts, Noising(signal=signal.to(worker.device), predicts_velocity=said == "v_prediction")

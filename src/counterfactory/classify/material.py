"""What a training is fed with: augmented pixels, or features of a frozen backbone that are computed once."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from counterfactory.classify.augment import augment, mix
from counterfactory.classify.draw import Steps
from counterfactory.classify.models import FromScratch
from counterfactory.classify.networks import Network
from counterfactory.classify.pictures import MEMORY, Pictures, floats, groups, normalised
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadConfig

ASKED = 128  # images at once where nothing learns


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What is right for each image: its class number, or a row of numbers where one cannot say it."""

    values: Tensor  # (N,) or (N, C)
    classes: int

    def rows(self, at: Tensor | slice = slice(None)) -> Tensor:
        """Rows (B, C) of some images; of a number its class alone is 1."""
        found = self.values[at]
        if found.ndim == 2:
            return found
        return (found[:, None] == torch.arange(self.classes, device=found.device)).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Inputs and targets for given steps, and inputs for asking; a step's draw follows from the seed and its number."""

    steps: Callable[[Steps], Iterator[tuple[Tensor, Tensor]]]
    asked: Callable[[], Iterator[Tensor]] | None  # the validation images, in order


def from_pixels(
    trainer: ClassifierTrainer, network: Network, train: Pictures, targets: Targets, validation: Pictures | None
) -> Material:
    """Images that are augmented anew at each step."""
    device = targets.values.device

    def steps(rows: Steps) -> Iterator[tuple[Tensor, Tensor]]:
        for step, (group, pixels) in enumerate(zip(rows, train.batches(rows), strict=True), rows.first):
            generator = np.random.default_rng([trainer.seed, 2, step])
            x = augment(trainer.augment, floats(pixels, device), generator)
            x, mixed = mix(trainer.augment, x, targets.rows(torch.from_numpy(group)), generator)
            yield normalised(x, network.preparation), mixed

    def asked() -> Iterator[Tensor]:
        assert validation is not None
        return plain_inputs(validation, network, device)

    return Material(steps=steps, asked=asked if validation is not None else None)


def from_features(
    trainer: ClassifierTrainer,
    network: Network,
    train: Pictures,
    targets: Targets,
    validation: Pictures | None,
    kept: Path,
) -> Material:
    """Features of a fixed number of augmented views, of which each step draws one an image."""
    device = targets.values.device
    if not kept.exists():
        found = {"train_VND": _views(trainer, network, train, device)}
        if validation is not None:
            found["validation_ND"] = _features(network, plain_inputs(validation, network, device))
        part = kept.with_suffix(".part")
        save_file(found, part)
        os.replace(part, kept)
    found = {name: features.to(device) for name, features in load_file(kept).items()}
    train_VND = found["train_VND"]

    def steps(rows: Steps) -> Iterator[tuple[Tensor, Tensor]]:
        for step, group in enumerate(rows, rows.first):
            view = np.random.default_rng([trainer.seed, 2, step]).integers(0, len(train_VND), len(group))
            here = torch.from_numpy(group)
            yield train_VND[torch.from_numpy(view), here], targets.rows(here)

    def asked() -> Iterator[Tensor]:
        return iter(torch.split(found["validation_ND"], ASKED))

    return Material(steps=steps, asked=asked if validation is not None else None)


def _views(trainer: ClassifierTrainer, network: Network, train: Pictures, device: torch.device) -> Tensor:
    """Features (views, N, D): of the images as they are first, then augmented."""
    assert not isinstance(trainer.model, FromScratch), "a network from scratch has no features to keep"
    plain = _features(network, plain_inputs(train, network, device))
    views = 1 if trainer.augment == "none" else trainer.model.views
    if plain.nbytes * views > MEMORY:
        raise BadConfig(
            f"The features of {views} views of {len(plain)} images take {plain.nbytes * views / 1e9:.0f} GB; "
            f"give at most {max(1, MEMORY // plain.nbytes)} views."
        )
    others = [_features(network, _augmented(trainer, network, train, view, device)) for view in range(1, views)]
    return torch.stack([plain, *others])


def _augmented(
    trainer: ClassifierTrainer, network: Network, train: Pictures, view: int, device: torch.device
) -> Iterator[Tensor]:
    for number, pixels in enumerate(train.batches(groups(len(train.addresses), ASKED))):
        generator = np.random.default_rng([trainer.seed, 3, view, number])
        yield normalised(augment(trainer.augment, floats(pixels, device), generator), network.preparation)


def _features(network: Network, inputs: Iterator[Tensor]) -> Tensor:
    assert network.features is not None
    return torch.cat([network.features(x).float().cpu() for x in inputs])


def plain_inputs(pictures: Pictures, network: Network, device: torch.device) -> Iterator[Tensor]:
    """All images of a data set in order, as the network wants them."""
    for pixels in pictures.batches(groups(len(pictures.addresses), ASKED)):
        yield normalised(floats(pixels, device), network.preparation)

"""The network that reads a scene, and its folder. Knows numbers of values, not what they are called."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from counterfactory.errors import BadConfig, writing

CONFIG, WEIGHTS = "config.json", "model.safetensors"
GROUPS = 8  # of channels that are normalised together
HIDDEN = 128  # numbers that all factors are told from


class JudgeNetwork(nn.Module):
    """A U of three levels (halves, quarters and eighths of the picture): the mask from its way back, the factors from
    the means over the whole picture and over the object that the mask shows."""

    def __init__(self, channels: tuple[int, int, int], values: Mapping[str, int]) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.fine = nn.Sequential(nn.Conv2d(3, fine, 4, stride=2, padding=1), Block(fine))
        self.middle = nn.Sequential(nn.Conv2d(fine, middle, 3, stride=2, padding=1), Block(middle), Block(middle))
        self.coarse = nn.Sequential(nn.Conv2d(middle, coarse, 3, stride=2, padding=1), Block(coarse), Block(coarse))
        self.from_coarse = nn.Conv2d(coarse, middle, 1)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.back = Block(fine)
        self.mask = nn.Conv2d(fine, 4, 3, padding=1)  # the four pixels that each place of the finest level stands for
        self.norm = nn.GroupNorm(GROUPS, coarse)
        self.hidden = nn.Linear(3 * coarse + middle + fine, HIDDEN)
        self.heads = nn.ModuleDict({factor: nn.Linear(HIDDEN, number) for factor, number in values.items()})

    def forward(self, x_BCHW: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Logits of every factor (B, values) and of the object's mask (B, H, W)."""
        fine = self.fine(x_BCHW)
        middle = self.middle(fine)
        coarse = functional.relu(self.norm(self.coarse(middle)))
        middle = middle + _doubled(self.from_coarse(coarse))
        fine = self.back(fine + _doubled(self.to_fine(middle)))
        mask_BHW = functional.pixel_shuffle(self.mask(fine), 2)[:, 0]
        object_B1HW = mask_BHW.detach().sigmoid()[:, None]
        told = [coarse.mean((2, 3)), coarse.amax((2, 3)), *(_over(object_B1HW, y) for y in (coarse, middle, fine))]
        hidden = functional.relu(self.hidden(torch.cat(told, 1)))
        return {factor: head(hidden) for factor, head in self.heads.items()}, mask_BHW


class Block(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        inside = self.first(functional.relu(self.norm(x_BCHW)))
        added: Tensor = self.second(functional.relu(inside))
        return x_BCHW + added


def save(network: JudgeNetwork, said: Mapping[str, Any], folder: Path) -> None:
    """Writes the weights in half precision, and beside them what they mean."""
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def load(folder: Path, factors: Mapping[str, tuple[str, ...]]) -> JudgeNetwork:
    """The network of a folder, in float32; it must tell these factors."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise BadConfig(
                f"{folder} holds no judge: there is no {name}. A judge is a folder with {CONFIG} and {WEIGHTS} "
                "(never a pickle, which can run code); train one: python -m counterfactory.zoo.train --model judge."
            )
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        told = {factor: tuple(values) for factor, values in said["factors"].items()}
        network = JudgeNetwork(tuple(said["channels"]), {factor: len(values) for factor, values in told.items()})
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(f"{folder} holds no judge that can be read ({reason}); train one again.") from error
    if told != dict(factors):
        raise BadConfig(f"The judge in {folder} tells {told}, and this version reads {dict(factors)}; train one again.")
    return network


def _doubled(x_BCHW: Tensor) -> Tensor:
    return functional.interpolate(x_BCHW, scale_factor=2.0)


def _over(object_B1HW: Tensor, x_BCHW: Tensor) -> Tensor:
    """The mean of features over the object."""
    height, width = x_BCHW.shape[2:]
    weights = functional.adaptive_avg_pool2d(object_B1HW, (height, width))
    return (weights * x_BCHW).sum((2, 3)) / (weights.sum((2, 3)) + 1e-3)

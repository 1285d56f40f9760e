"""The zoo's judge: reads every factor of a Diorama picture, and where its object is, independently of all other models.

The judge measures. No method may use it to choose, filter or train (a test reads who imports it): what a recipe had
optimised for the judge's opinion would be measured by the thing that it had learnt to please.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.data.diorama.world import ALL_CLASSES, COLOURS, SURFACES, TIMES, WEATHERS
from counterfactory.errors import BadData
from counterfactory.names import model_folder
from counterfactory.worker import Worker
from counterfactory.zoo.judge_network import JudgeNetwork, load
from counterfactory.zoo.order import Order

FACTORS: Mapping[str, tuple[str, ...]] = {
    "class": ALL_CLASSES,
    "colour": COLOURS,
    "surface": SURFACES,
    "weather": WEATHERS,
    "time": TIMES,
}
SIZE = 64  # pixels of a side
ASKED = 128  # pictures that the network is given at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A trained judge on its device."""

    network: JudgeNetwork
    device: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What the judge saw in some pictures."""

    probabilities: Mapping[str, Tensor]  # of each factor's values, (B, values)
    mask: Tensor  # probability of the object at each pixel, (B, 64, 64)

    def said(self, factor: str) -> list[str]:
        """The likeliest value of a factor, picture by picture."""
        return [FACTORS[factor][number] for number in self.probabilities[factor].argmax(1).tolist()]


def open_judge(name: str, device: str = "cpu") -> Judge:
    """The judge in a folder, or behind a hub id."""
    network = load(model_folder(name), FACTORS).to(device).eval()
    return Judge(network=network.to(memory_format=torch.channels_last), device=device)  # type: ignore[call-overload]


@torch.no_grad()
def read(judge: Judge, x_BCHW: Tensor) -> Reading:
    """What is in pictures from -1 to 1, of any size; the answer lies where the pictures do."""
    if x_BCHW.ndim != 4 or x_BCHW.shape[1] != 3:
        raise BadData(f"The judge reads pictures (B, 3, H, W) from -1 to 1, and not {tuple(x_BCHW.shape)}.")
    parts = [judge.network(_prepared(part, judge.device)) for part in torch.split(x_BCHW, ASKED)]
    return Reading(
        probabilities={
            factor: torch.cat([logits[factor] for logits, _ in parts]).softmax(1).to(x_BCHW.device)
            for factor in FACTORS
        },
        mask=torch.cat([mask for _, mask in parts]).sigmoid().to(x_BCHW.device),
    )


def train(order: Order, worker: Worker) -> Mapping[str, Any]:
    """Goes on to the end of the time that is given; the numbers that came of it."""
    from counterfactory.zoo.judging import trained

    return trained(order, worker)


def _prepared(x_BCHW: Tensor, device: str) -> Tensor:
    x_BCHW = x_BCHW.to(device).float()
    if x_BCHW.shape[2:] != (SIZE, SIZE):
        x_BCHW = functional.interpolate(x_BCHW, (SIZE, SIZE), mode="bilinear", antialias=True)
    return x_BCHW.contiguous(memory_format=torch.channels_last)

"""Lets the judge read pictures, once each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from counterfactory.names import ModelName
from counterfactory.types import Address, Failed
from counterfactory.worker import Worker

SIZE = 64  # of the judge's masks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What the judge saw in one picture."""

    said: Mapping[str, str]  # factor to its likeliest value
    sure: Mapping[str, float]  # factor to that value's probability
    mask: np.ndarray  # where the thing is, (64, 64) of yes and no
    features: np.ndarray  # the numbers that the judge tells all factors from


class Look(BaseModel, frozen=True, extra="forbid"):
    """An address to what the judge sees there, as plain data that `sight` reads."""

    version: ClassVar[int] = 1

    judge: ModelName
    size: int | None = None  # to which pictures are shrunk first, where others are to be compared with smaller ones

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[dict[str, Any] | Failed]]:
        from counterfactory.training.pictures import to_tensor
        from counterfactory.zoo.judge import open_judge

        judge = open_judge(self.judge, worker.device)

        def look(addresses: Sequence[Address]) -> list[dict[str, Any] | Failed]:
            size = self.size or SIZE
            return _seen(judge, to_tensor(worker.pixels.arrays(addresses, (size, size))))

        return look


def sight(kept: Mapping[str, Any]) -> Sight:
    """What `Look` kept."""
    mask = np.unpackbits(kept["mask"]).astype(bool).reshape(SIZE, SIZE)
    return Sight(said=kept["said"], sure=kept["sure"], mask=mask, features=kept["features"].astype(np.float64))


def _seen(judge: Any, x_BCHW: Any) -> list[dict[str, Any] | Failed]:
    import torch

    from counterfactory.zoo.judge import FACTORS, read

    told: list[Any] = []
    listening = judge.network.hidden.register_forward_hook(lambda _module, _given, said: told.append(said))
    try:
        reading = read(judge, x_BCHW)
    finally:
        listening.remove()
    said = {factor: reading.said(factor) for factor in FACTORS}
    sure = {factor: reading.probabilities[factor].amax(1).tolist() for factor in FACTORS}
    features = torch.cat(told).relu().cpu().numpy().astype(np.float16)
    masks = (reading.mask > 0.5).cpu().numpy()
    return [
        {
            "said": {factor: said[factor][row] for factor in FACTORS},
            "sure": {factor: round(sure[factor][row], 4) for factor in FACTORS},
            "mask": np.packbits(masks[row]),
            "features": features[row],
        }
        for row in range(len(x_BCHW))
    ]

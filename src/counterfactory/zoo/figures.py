"""What the judge makes of the pictures that a training draws at its checkpoints. Nothing is chosen by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from counterfactory.types import Sample
from counterfactory.worker import Worker
from counterfactory.zoo.judge import FACTORS, SIZE, Reading, open_judge, read
from counterfactory.zoo.order import NUMBERS, Order

SURE = 0.9


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Reads pictures of some scenes, or of none in particular: a value that travels to other processes."""

    judge: Path
    worker: Worker
    scenes: tuple[Sample, ...] = ()

    def __call__(self, x_BCHW: Tensor) -> Mapping[str, float]:
        """The share of each factor that is as in its scene; without a judge nothing."""
        if not (self.judge / NUMBERS).exists():
            return {}
        reading = read(open_judge(str(self.judge), self.worker.device), x_BCHW)
        if not self.scenes:
            return {f"{factor}_sure": _share(reading.probabilities[factor].amax(1) > SURE) for factor in FACTORS}
        scenes = self.scenes[: len(x_BCHW)]
        return {**_right(reading, scenes), "mask_iou": _overlap(reading.mask, self._masks(scenes))}

    def _masks(self, scenes: Sequence[Sample]) -> Tensor:
        images = [self.worker.pixels.stored(scene.mask) for scene in scenes if scene.mask]
        sized = [np.asarray(image.convert("L").resize((SIZE, SIZE), Image.Resampling.NEAREST)) for image in images]
        return torch.from_numpy(np.stack(sized) > 0)


def figures(order: Order, worker: Worker, scenes: Sequence[Sample] = ()) -> Figures:
    """The opinion of the judge that lies beside the model that is trained."""
    return Figures(judge=order.zoo / "judge", worker=worker, scenes=tuple(scenes))


def _right(reading: Reading, scenes: Sequence[Sample]) -> dict[str, float]:
    said = {factor: reading.said(factor) for factor in FACTORS}
    return {
        factor: float(
            np.mean([one == scene.attributes[factor] for one, scene in zip(said[factor], scenes, strict=True)])
        )
        for factor in FACTORS
    }


def _overlap(found_BHW: Tensor, true_BHW: Tensor) -> float:
    """Mean intersection over union; two empty masks agree."""
    found_BHW = (found_BHW > 0.5).cpu()
    both = (found_BHW & true_BHW).sum((1, 2))
    either = (found_BHW | true_BHW).sum((1, 2))
    return float(torch.where(either > 0, both / either.clamp(min=1), 1.0).mean())


def _share(right_B: Tensor) -> float:
    return float(right_B.float().mean())

"""The steps that look at pictures through any vision model: where one lies, and how far several are apart."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from counterfactory.names import ModelName, model_folder
from counterfactory.types import Address, Artifact, Failed
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.score.vision import Eyes


class Features(BaseModel, frozen=True, extra="forbid"):
    """One vector (D,) a picture, not of any set length."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[np.ndarray | Failed]]:
        eyes = _opened(self.model, worker)

        def look(addresses: Sequence[Address]) -> list[np.ndarray | Failed]:
            return list(eyes.features([worker.pixels.image(address) for address in addresses]).numpy())

        return look


class Apart(BaseModel, frozen=True, extra="forbid"):
    """The mean squared perceptual distance over the pairs in each group of pictures; of two, their distance."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[tuple[Address, ...]]], list[float | Failed]]:
        eyes = _opened(self.model, worker)

        def apart(groups: Sequence[tuple[Address, ...]]) -> list[float | Failed]:
            every = [worker.pixels.image(address) for group in groups for address in group]
            ends = np.cumsum([len(group) for group in groups])[:-1]
            return [mean_pairwise(part) for part in np.split(eyes.perceived(every).numpy(), ends)]

        return apart


def mean_pairwise(features_KD: NDArray[np.floating]) -> float:
    """The mean squared distance over all pairs of K vectors, from their distances to their middle: exact in O(K)."""
    assert len(features_KD) > 1, "one picture has no pairs"
    apart = np.asarray(features_KD, np.float64)
    return float(2 * np.square(apart - apart.mean(0)).sum() / (len(apart) - 1))


def _opened(model: Artifact | str, worker: Worker) -> "Eyes":
    from counterfactory.score.vision import open_eyes

    folder = worker.artifact(model) if isinstance(model, Artifact) else model_folder(model)
    return open_eyes(folder, worker.device, worker.torch_dtype())

"""What a classifier says on the way from a picture to its counterfactual, as pixels are put in: the curves of COUT."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from counterfactory.classify.predict import open_classifier, said
from counterfactory.names import ModelName
from counterfactory.types import Address, Artifact, Failed
from counterfactory.worker import Worker

Pair = tuple[Address, Address]  # the source and its counterfactual


class Insertion(BaseModel, frozen=True, extra="forbid"):
    """For each pair the classifier's probabilities (steps + 1, C) while pixels are put in, the most different first.

    Both pictures are prepared for the classifier first, so that a pixel is one that it sees.
    """

    version: ClassVar[int] = 2

    classifier: Artifact | ModelName
    steps: Annotated[int, Field(ge=1, le=1000)] = 50

    def load(self, worker: Worker) -> Callable[[Sequence[Pair]], list[NDArray[np.float32] | Failed]]:
        import torch

        from counterfactory.classify.pictures import floats

        classifier = open_classifier(self.classifier, worker)

        def curve(pair: Pair) -> NDArray[np.float32]:
            source, changed = classifier.preparation.arrays(worker.pixels, list(pair))
            shown = torch.from_numpy(inserted(source, changed, self.steps)).permute(0, 3, 1, 2)
            found: NDArray[np.float32] = said(classifier, worker, floats(shown, worker.device)).numpy()
            return found

        return lambda pairs: [curve(pair) for pair in pairs]


def inserted(source_HWC: NDArray[np.uint8], changed_HWC: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Pictures (steps + 1, H, W, C) from the source to the changed one; equal differences in reading order."""
    apart = np.abs(source_HWC.astype(int) - changed_HWC.astype(int)).sum(2).ravel()
    rank = np.empty(len(apart), int)
    rank[np.argsort(-apart, kind="stable")] = np.arange(len(apart))
    counts = np.linspace(0, len(apart), steps + 1).round()
    is_in = (rank < counts[:, None]).reshape(-1, *source_HWC.shape[:2], 1)
    return np.where(is_in, changed_HWC, source_HWC)

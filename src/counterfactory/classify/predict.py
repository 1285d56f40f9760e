"""Asking a trained classifier: probabilities of single images, and of a whole data set beside its targets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from counterfactory.classify.targets import matched, targets_of
from counterfactory.names import ModelName, model_folder
from counterfactory.types import Address, Artifact, Dataset, Failed
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from torch import Tensor

    from counterfactory.classify.saved import Classifier

READ = 2048  # images decoded at once, by all processes
ASKED = 128  # images that the classifier is given at once


class Classify(BaseModel, frozen=True, extra="forbid"):
    """Probabilities (one a class, calibrated) of images; of `classes` in their order, or as the classifier has them."""

    version: ClassVar[int] = 2

    classifier: Artifact | ModelName
    classes: tuple[str, ...] | None = None

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[tuple[float, ...] | Failed]]:
        classifier = open_classifier(self.classifier, worker)
        columns = slice(None) if self.classes is None else matched(classifier.classes, self.classes)

        def classify(addresses: Sequence[Address]) -> list[tuple[float, ...] | Failed]:
            rows = asked(classifier, worker, addresses)[:, columns]
            return [tuple(row.tolist()) for row in rows]

        return classify


class Evaluate(BaseModel, frozen=True, extra="forbid"):
    """For each data set its `probabilities` (N, C) and `targets` (N,) or (N, C): all that metrics need."""

    version: ClassVar[int] = 2
    pads: ClassVar[bool] = False  # a whole data set is no filling

    classifier: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[Dataset]], list[dict[str, Any] | Failed]]:
        classifier = open_classifier(self.classifier, worker)

        def evaluate(datasets: Sequence[Dataset]) -> list[dict[str, Any] | Failed]:
            return [_evaluated(classifier, worker, dataset) for dataset in datasets]

        return evaluate


def _evaluated(classifier: "Classifier", worker: Worker, dataset: Dataset) -> dict[str, Any]:
    columns = matched(classifier.classes, dataset.classes)
    probabilities = asked(classifier, worker, [sample.image for sample in dataset.samples])[:, columns]
    return {"probabilities": np.ascontiguousarray(probabilities), "targets": targets_of(dataset)}


def open_classifier(named: Artifact | str, worker: Worker) -> "Classifier":
    """The classifier that a training left, or that a name stands for."""
    from counterfactory.classify.safe import refuse_pickles
    from counterfactory.classify.saved import load

    folder: Path = worker.artifact(named) if isinstance(named, Artifact) else model_folder(named)
    refuse_pickles(folder)
    return load(folder, worker.device, worker.torch_dtype())


def asked(classifier: "Classifier", worker: Worker, addresses: Sequence[Address]) -> NDArray[np.float32]:
    """Probabilities (N, C) of the classifier's own classes, one row an image, in order."""
    import torch

    from counterfactory.classify.pictures import floats

    found = []
    for start in range(0, len(addresses), READ):
        pixels = classifier.preparation.arrays(worker.pixels, list(addresses[start : start + READ]))
        for rows in np.split(pixels, range(ASKED, len(pixels), ASKED)):
            found.append(said(classifier, worker, floats(torch.from_numpy(rows).permute(0, 3, 1, 2), worker.device)))
    every: NDArray[np.float32] = torch.cat(found).numpy()
    return every


def said(classifier: "Classifier", worker: Worker, x_BCHW: "Tensor") -> "Tensor":
    """Probabilities (B, C) of one batch of colours from 0 to 1."""
    from counterfactory.classify.exact import exact
    from counterfactory.classify.pictures import normalised

    prepared = normalised(x_BCHW, classifier.preparation).to(worker.torch_dtype())
    with exact(worker):
        return classifier.probabilities(classifier.forward(prepared)).cpu()

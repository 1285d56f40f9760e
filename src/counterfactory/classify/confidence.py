"""How sure a trained classifier is of an image when it is seen in several ways, as DIAGen's filter asks it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel

from counterfactory.classify.predict import ASKED, open_classifier, said
from counterfactory.classify.targets import matched
from counterfactory.classify.train import Augmentation, Count
from counterfactory.keys import seed_for
from counterfactory.names import ModelName
from counterfactory.types import Address, Artifact, Failed
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from torch import Tensor

    from counterfactory.classify.saved import Classifier


class Confidence(BaseModel, frozen=True, extra="forbid"):
    """Calibrated probabilities (one a class), their mean over views of an image that are augmented as in a training.

    The views follow from the image alone; of `classes` in their order, or as the classifier has them.
    """

    version: ClassVar[int] = 2

    classifier: Artifact | ModelName
    classes: tuple[str, ...] | None = None
    augment: Augmentation = "standard"
    views: Count = 5

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[tuple[float, ...] | Failed]]:
        classifier = open_classifier(self.classifier, worker)
        columns = matched(classifier.classes, self.classes or classifier.classes)
        at_once = max(1, ASKED // self.views)

        def confidence(addresses: Sequence[Address]) -> list[tuple[float, ...] | Failed]:
            found: list[tuple[float, ...] | Failed] = []
            for start in range(0, len(addresses), at_once):
                views = self._views(classifier, worker, addresses[start : start + at_once])
                means = said(classifier, worker, views).view(-1, self.views, len(columns)).mean(1)
                found += [tuple(row.tolist()) for row in means[:, columns]]
            return found

        return confidence

    def _views(self, classifier: "Classifier", worker: Worker, addresses: Sequence[Address]) -> "Tensor":
        """All views (B * views, 3, H, W) of some images, one image after the other."""
        import torch

        from counterfactory.classify.augment import augment
        from counterfactory.classify.pictures import floats

        pixels = classifier.preparation.arrays(worker.pixels, list(addresses))
        images = floats(torch.from_numpy(pixels).permute(0, 3, 1, 2), worker.device)
        views = [
            augment(
                self.augment,
                image.expand(self.views, -1, -1, -1),
                np.random.default_rng(seed_for("confidence", address)),
            )
            for image, address in zip(images, addresses, strict=True)
        ]
        return torch.cat(views)

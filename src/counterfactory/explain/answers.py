"""A classifier as explanations need it: it says how sure it is as it always does, and lets gradients of pixels through.

The gradients come through a preparation in torch that is near to the classifier's own. Whether an image is answered
otherwise is only ever told by the classifier's own, of pixels of 8 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from counterfactory.classify.pictures import floats
from counterfactory.classify.predict import open_classifier, said
from counterfactory.classify.preparation import Preparation
from counterfactory.classify.saved import Classifier
from counterfactory.classify.tested import SavedModel, model_under_test
from counterfactory.errors import BadConfig
from counterfactory.types import Artifact, Question
from counterfactory.worker import Worker

WAYS = {Image.Resampling.BILINEAR: "bilinear", Image.Resampling.NEAREST: "nearest-exact"}  # all others: bicubic
Probabilities = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Wishes:
    """What is wanted of each image of a batch."""

    outputs: Tensor  # (B, C), whether an output stands for it
    present: Tensor  # (B,)


def open_asked(named: Artifact | str, worker: Worker) -> Classifier:
    """The classifier that is to be explained; what gives no gradients is refused, and told why."""
    model = model_under_test(named)
    if not isinstance(model, SavedModel):
        raise BadConfig(
            f"{model.name} is asked from outside and says scores, but not how they follow from the pixels: it gives no "
            "gradients, and an explanation follows them. Give the saved model itself: a folder or hub id of "
            "transformers, a run of `train`, or a model of the zoo."
        )
    return open_classifier(model.name, worker)


def probabilities(classifier: Classifier, worker: Worker, pictures: Sequence[Image.Image]) -> list[Probabilities]:
    """What the classifier says of RGB pictures, exactly as it is asked everywhere else."""
    pixels = np.stack([classifier.preparation.array(picture) for picture in pictures])
    x_BCHW = floats(torch.from_numpy(pixels).permute(0, 3, 1, 2), worker.device)
    return [tuple(row) for row in said(classifier, worker, x_BCHW).tolist()]


def answers(classifier: Classifier, question: Question, found: Probabilities) -> bool:
    """Whether these probabilities are the answer that is wanted."""
    if classifier.has_several_labels:
        return (found[question.wanted] > 0.5) == question.present
    return int(np.argmax(found)) in {question.wanted, *question.also}


def reluctance(logits_BC: Tensor, wishes: Wishes, of: str, has_several_labels: bool) -> Tensor:
    """How far each image is from the answer that is wanted: minus its logit, or minus its log-probability.

    Where several outputs stand for it, their probabilities add up.
    """
    chosen = logits_BC.masked_fill(~wishes.outputs, -torch.inf).logsumexp(1)
    if has_several_labels:
        towards = torch.where(wishes.present, chosen, -chosen)
        return -towards if of == "logits" else -functional.logsigmoid(towards)
    return -chosen if of == "logits" else logits_BC.logsumexp(1) - chosen


def shown(x_BCHW: Tensor) -> Tensor:
    """Pictures from -1 to 1 as colours from 0 to 1; what is beyond cannot be shown."""
    return x_BCHW.clamp(-1, 1).add(1).div(2)


def fitted(x_BCHW: Tensor, preparation: Preparation) -> Tensor:
    """Pictures in the size that a network takes, cut and resized as its own preparation does it."""
    width, height = preparation.size
    if preparation.crop is not None:
        x_BCHW = _middle(x_BCHW, preparation)
    if x_BCHW.shape[2:] == (height, width):
        return x_BCHW
    way = WAYS.get(Image.Resampling(preparation.resample), "bicubic")
    smooth = {} if way == "nearest-exact" else {"antialias": True}
    return functional.interpolate(x_BCHW, (height, width), mode=way, **smooth).clamp(0, 1)


def _middle(x_BCHW: Tensor, preparation: Preparation) -> Tensor:
    """The middle that is kept, to whole pixels."""
    assert preparation.crop is not None
    width, height = preparation.size
    whole = x_BCHW.shape[2:]
    tall = preparation.crop * min(whole) * min(1.0, height / width)
    kept = [min(side, max(1, round(wanted))) for side, wanted in zip(whole, (tall, tall * width / height), strict=True)]
    top, left = ((side - keep) // 2 for side, keep in zip(whole, kept, strict=True))
    return x_BCHW[:, :, top : top + kept[0], left : left + kept[1]]

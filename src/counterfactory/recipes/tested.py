"""What the model under test makes of images, by labels or by pixels: whether it fails, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterfactory.classify.labels import read_labels
from counterfactory.classify.masks import mask_classes
from counterfactory.classify.segment_under_test import SegmenterUnderTest
from counterfactory.classify.tested import SavedModel, is_segmenter, model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadConfig, BadData
from counterfactory.metrics.segmentation import image_overlaps
from counterfactory.run import Run
from counterfactory.types import Address, Artifact, Dataset, Failed, Sample

TRIED = 4  # images that a model is asked about before anything is drawn; one answer is enough
HALF = 0.5  # an image fails whose mean overlap is smaller
Tested = UnderTest | SegmenterUnderTest


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """An answer about one image."""

    failed: bool
    confidence: float  # in the label, or the mean overlap with the mask
    answer: str  # in words
    mask: Address | None = None  # what a segmenter found
    counts: Any = None  # of its pixels


Labels = Mapping[str, str] | str


def opened(run: Run, model: str | Artifact | Mapping[str, Any], labels: Labels, data: Dataset) -> Tested:
    """The model under test for these data; says at once what cannot be, and on the way what a person should know."""
    if not data.samples:
        raise BadData(f"No image of {data.split} is left to test the model on; choose another `split` or `quota`.")
    labels = label_map(labels)
    found = model_under_test(model)
    if data.task == "segmentation" or (isinstance(found, SavedModel) and is_segmenter(found)):
        if not isinstance(found, SavedModel):
            raise BadConfig("These data have masks and no labels: the model under test must be a saved segmenter.")
        segmenter = SegmenterUnderTest(model=found.name, classes=mask_classes(data), labels=labels)
        _tell(run, segmenter.notices(run.worker))
        return segmenter
    if data.task != "single-label":
        raise BadData(f"These data are {data.task}; a model is tested on images with one label each, or with masks.")
    if unknown := sum(sample.target is None for sample in data.samples):
        raise BadData(
            f"{unknown} of the {len(data)} images of {data.split} have no label, without which nobody can tell whether "
            "the model is right; label them or leave them out."
        )
    step = UnderTest(model=found, classes=data.classes, labels=labels)
    _tell(run, step.notices(run.worker, *data.samples[:TRIED]))
    return step


def label_map(labels: Labels) -> Mapping[str, str]:
    """The model's names to the data's, from a file where one is named."""
    return read_labels(Path(labels)) if isinstance(labels, str) else labels


def called(model: str | Mapping[str, Any] | None) -> str:
    """What a page calls a model: a name as it is, a folder by its own, a run's model by the run's."""
    name = str(model.get("name", "")) if isinstance(model, Mapping) else model or ""
    folder = Path(name)
    if not folder.is_absolute():
        return name
    return folder.parent.name if folder.name == "model" and folder.parent.name else folder.name


def ask(run: Run, step: Tested, samples: Sequence[Sample]) -> list[Said | None]:
    """What the model makes of each image; nothing where it could not say."""
    if isinstance(step, SegmenterUnderTest):
        return [None if isinstance(one, Failed) else _of_pixels(one) for one in run.map(step, samples)]
    return [
        None if isinstance(one, Failed) else _of_label(one, sample.target, step.classes)
        for one, sample in zip(run.map(step, samples), samples, strict=True)
    ]


def _of_label(probabilities: tuple[float, ...], target: Any, classes: tuple[str, ...]) -> Said:
    best = int(np.argmax(probabilities))
    answer = classes[best] if best < len(classes) else "something else"
    return Said(failed=best != target, confidence=probabilities[target], answer=answer)


def _of_pixels(found: Mapping[str, Any]) -> Said:
    overlap = float(np.nan_to_num(image_overlaps(found["counts"][None])[0], nan=1.0))
    answer = f"overlap {100 * overlap:.0f} %"
    return Said(failed=overlap < HALF, confidence=overlap, answer=answer, mask=found["mask"], counts=found["counts"])


def _tell(run: Run, notices: Sequence[str]) -> None:
    for sentence in notices:
        run.watcher.note(sentence)

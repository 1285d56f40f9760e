"""How the zoo's segmenter learns, and how it is measured on scenes of every kind."""

from typing import Any

import numpy as np

from counterfactory.classify.masks import mask_classes
from counterfactory.classify.segment_fitting import trained as learnt
from counterfactory.classify.segment_train import SegmentTrainer
from counterfactory.classify.segment_under_test import SegmenterUnderTest
from counterfactory.metrics.segmentation import mean_overlap
from counterfactory.types import Dataset, Failed
from counterfactory.worker import Worker
from counterfactory.zoo.classifying import TESTS, diorama, usual_scenes
from counterfactory.zoo.order import Order

AT_ONCE = 64


def trained(order: Order, worker: Worker, number: int) -> dict[str, Any]:
    """Learns usual scenes; its mean overlap (mIoU) on tests of every kind."""
    data = {"train": usual_scenes("train", number), "validation": usual_scenes("validation", number // 12)}
    numbers = dict(learnt(order.within(SegmentTrainer()), worker, order.folder, data))
    tests = diorama({"train": 0, "validation": 0, "test": min(TESTS, number)})
    return numbers | {split: measured(order, worker, dataset) for split, dataset in tests.items()}


def measured(order: Order, worker: Worker, dataset: Dataset) -> float:
    """The mean over classes of how well found and true pixels overlap."""
    ask = SegmenterUnderTest(model=str(order.folder), classes=mask_classes(dataset)).load(worker)
    samples = dataset.samples
    answers = [answer for at in range(0, len(samples), AT_ONCE) for answer in ask(samples[at : at + AT_ONCE])]
    counts = [answer["counts"] for answer in answers if not isinstance(answer, Failed)]
    assert len(counts) == len(samples), "every scene of Diorama has a mask"
    return round(mean_overlap(np.stack(counts)), 4)

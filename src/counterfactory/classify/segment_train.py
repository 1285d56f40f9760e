"""Trains a small segmenter: the configuration. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from counterfactory.names import ModelName
from counterfactory.training.ending import finished
from counterfactory.training.schedule import Count, Schedule
from counterfactory.types import Dataset
from counterfactory.worker import Worker


class SegmentTrainer(BaseModel, frozen=True, extra="forbid"):
    """A segmenter from the images and masks of `datasets["train"]`, measured on `validation` where there is one."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "segmenter"

    schedule: Schedule = Schedule(
        images=60_000, batch_size=32, learning_rate=3e-3, weight_decay=1e-2, smoothing=0.99, rise=50
    )
    start: ModelName | None = None  # a segmenter of the same classes to go on from
    size: Annotated[int, Field(ge=32, le=1024)] = 64  # pixels of a side
    widths: tuple[Count, Count, Count] = (24, 48, 96)  # channels of its eyes, at a quarter, an eighth, a sixteenth
    neck: Count = 32  # channels in which what they see is brought together

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `AutoModelForSemanticSegmentation` loads; resumes like any training."""
        from counterfactory.classify.segment_fitting import trained

        return finished(folder, trained(self, worker, folder, datasets))

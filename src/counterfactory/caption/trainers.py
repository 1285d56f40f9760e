"""The trainer of captioners as configuration: which shapes, from what, for how long. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from counterfactory.names import ModelName
from counterfactory.training.ending import finished
from counterfactory.training.schedule import Count, Schedule
from counterfactory.training.towers import Tower
from counterfactory.types import Dataset
from counterfactory.worker import Worker


class CaptionTrainer(BaseModel, frozen=True, extra="forbid"):
    """A BLIP captioner from the captions of `datasets["train"]`."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "captioner"

    schedule: Schedule = Schedule(images=500_000, batch_size=32, learning_rate=1e-3, weight_decay=1e-2)
    start: ModelName | None = None  # a CLIP of the same shape whose eyes the captioner begins with
    size: Count = 64  # of the pictures
    patch: Count = 8
    image: Tower = Tower()
    text: Tower = Tower(layers=2)
    vocabulary: Count = 600  # at most so many words and letters
    length: Count = 40  # tokens of a caption

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `BlipForConditionalGeneration` and `BlipProcessor` load; resumes like any training."""
        from counterfactory.caption.blip_training import trained

        return finished(folder, trained(self, worker, folder, datasets))

"""The trainer of image-text scorers as configuration: which shapes, for how long. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from counterfactory.names import ModelName
from counterfactory.training.ending import finished
from counterfactory.training.schedule import Count, Schedule
from counterfactory.training.towers import Tower
from counterfactory.types import Dataset
from counterfactory.worker import Worker


class ClipTrainer(BaseModel, frozen=True, extra="forbid"):
    """A CLIP from the captions of `datasets["train"]`: pictures and texts that belong together lie together."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "clip"

    schedule: Schedule = Schedule(images=500_000, batch_size=64, learning_rate=1e-3, weight_decay=1e-2)
    size: Count = 64  # of the pictures
    patch: Count = 8
    image: Tower = Tower()
    text: Tower = Tower(layers=2)
    start: ModelName | None = None  # a captioner of BLIP's kind whose eyes, of the same shape, it begins with
    embedding: Count = 128
    rivals: Annotated[int, Field(ge=0)] = 2  # texts for each picture that differ from its own in one word
    vocabulary: Count = 800  # at most so many tokens
    length: Count = 32  # tokens of a text

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `CLIPModel` and `CLIPProcessor` load; goes on where a killed call stopped."""
        from counterfactory.score.clip_training import trained

        return finished(folder, trained(self, worker, folder, datasets))

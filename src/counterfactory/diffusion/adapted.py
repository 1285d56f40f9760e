"""Pipelines adapted to classes: how they are trained, which epoch is meant, where it lies. No torch to configure."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.errors import BadConfig, writing
from counterfactory.keys import ASIDE
from counterfactory.names import ModelName, model_folder
from counterfactory.training.ending import finished
from counterfactory.training.schedule import Count, Schedule
from counterfactory.types import Artifact, Dataset, Request
from counterfactory.worker import Worker

CLASS_ENCODER, UNET, LORA = "class_encoder", "unet", "lora"  # what an epoch may hold; the first is in each
COURSES = {  # for some thousand pictures and a network like the zoo's; a large one learns with a thirtieth of the rate
    "encoder": Schedule(epochs=4, batch_size=16, learning_rate=1e-2, weight_decay=0, rise=20, fall=1, lowest=0),
    "denoiser": Schedule(epochs=10, batch_size=16, learning_rate=3e-4, rise=20, fall=1, lowest=0),
}
Shape = Literal["table", "published"]


class Adapted(BaseModel, frozen=True, extra="forbid"):
    """An epoch of what `AdaptationTrainer` left."""

    model: Artifact | ModelName
    epoch: Count | None = None  # the last one if unsaid

    def folder(self, worker: Worker) -> Path:
        """Where the epoch's parts lie."""
        whole = folder_of(self.model, worker)
        there = epochs(whole)
        if not there:
            raise BadConfig(
                f"{whole} holds no adaptation: expected folders such as epochs/001, as training leaves them."
            )
        wanted = self.epoch or there[-1]
        if wanted not in there:
            raise BadConfig(f"epoch: {wanted} was not kept in {whole}; there is {', '.join(map(str, there))}.")
        return epoch_folder(whole, wanted)


def wordless(request: Request) -> bool:
    """Whether a picture is asked for by its class alone."""
    return request.label is not None and not request.prompt


def folder_of(model: Artifact | str, worker: Worker) -> Path:
    """The folder of what was trained here, or of what a name stands for."""
    return worker.artifact(model) if isinstance(model, Artifact) else model_folder(model)


def epochs(folder: Path) -> list[int]:
    """The epochs that an adaptation kept, in order."""
    return sorted(int(path.name) for path in folder.glob("epochs/*") if path.name.isdigit())


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Where an epoch lies."""
    return folder / "epochs" / f"{epoch:03d}"


@contextmanager
def whole_epoch(folder: Path, epoch: int) -> Iterator[Path]:
    """A folder to write an epoch to; it is there once the block is left, whenever the process is killed."""
    whole = epoch_folder(folder, epoch)
    part = whole.with_suffix(".part")
    with writing(folder):
        shutil.rmtree(part, ignore_errors=True)
        yield part
        shutil.rmtree(whole, ignore_errors=True)  # of a call that was killed before its next checkpoint
        os.replace(part, whole)


class AdaptationTrainer(BaseModel, frozen=True, extra="forbid"):
    """A text-to-image model learns the classes of `datasets["train"]`: first an encoder of them, then to draw them.

    With `stage="encoder"` a class encoder learns beside the frozen model, a new one or the one of `start`. With
    `stage="denoiser"` the denoising network learns beside the class encoder of `start`: all of it, or a LoRA (Hu et al.
    2022) of a `rank`.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "adaptation"

    base: ModelName
    stage: Literal["encoder", "denoiser"] = "encoder"
    start: Adapted | None = None
    schedule: Schedule = Field(default_factory=lambda said: COURSES[said.get("stage", "encoder")])
    every: Count = 1  # so many epochs are between two that are kept; the last one always is
    shape: Shape = "table"  # of a new class encoder
    tokens: Count = 8  # in which a new class encoder says a class
    rank: Count | None = None
    size: Count | None = None  # of the pictures; as the model learnt if unsaid
    unsaid: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of classes left out, so that guidance has a zero
    trace: bool = True  # drawings begin with what this leaves of pictures in the noise; else with noise alone
    gradient_checkpointing: Annotated[bool, ASIDE] = False  # a third more work, and memory for one block at a time

    @model_validator(mode="after")
    def _makes_sense(self) -> "AdaptationTrainer":
        if self.schedule.epochs is None:
            raise ValueError("schedule: an adaptation is kept epoch by epoch; say how long it goes on in epochs.")
        if self.stage == "denoiser" and self.start is None:
            raise ValueError("start: the denoiser learns beside a class encoder; give an adaptation of that stage.")
        if self.stage == "encoder" and self.rank:
            raise ValueError("rank: only the denoiser learns by a LoRA; leave it out, or say stage: denoiser.")
        return self

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder `epochs/001` and so on, each with the average of the weights; resumes like any training."""
        from counterfactory.diffusion.adaptation import trained

        return finished(folder, trained(self, worker, folder, datasets))

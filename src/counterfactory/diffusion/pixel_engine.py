"""The step that draws small pictures by class, with a diffusion model of pixels. No torch to configure."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.diffusion.adapted import epoch_folder, epochs, folder_of
from counterfactory.diffusion.schedulers import SchedulerName
from counterfactory.errors import BadConfig
from counterfactory.names import ModelName, identity
from counterfactory.types import Artifact, Failed, Request, Sample
from counterfactory.worker import Worker


class DrawPixels(BaseModel, frozen=True, extra="forbid"):
    """Draws requests by label, seed, guidance and size; words are kept as a caption and not heeded.

    Guidance 1 is the class alone, at half the cost of any other. Without a label anything is drawn.
    """

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False  # it fills each group of its batch itself

    model: Artifact | ModelName  # of a `ClassPixelTrainer`, or a `DDPMPipeline` or `UNet2DModel` with its scheduler
    epoch: int | None = None  # whose weights draw, of those that the training kept; None for the last
    scheduler: SchedulerName = "dpm++"
    steps: Annotated[int, Field(ge=1, le=1000)] = 25
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0  # how much noise DDIM adds at each step: 0 none, 1 as much as DDPM

    def load(self, worker: Worker) -> Callable[[Sequence[Request]], list[Sample | Failed]]:
        from counterfactory.diffusion.finishing import Finish
        from counterfactory.diffusion.pixel_painting import open_pixel_painter
        from counterfactory.diffusion.studio import Studio

        painter = open_pixel_painter(self, self._folder(worker), worker)
        return Studio(painter=painter, worker=worker, finish=Finish(worker=worker, model=self._said()))

    def alike(self, worker: Worker, request: Request) -> Hashable:
        """What requests have in common that are drawn fastest together."""
        return request.size, request.guidance == 1 or request.label is None

    def _folder(self, worker: Worker) -> Path:
        whole = folder_of(self.model, worker)
        if self.epoch is None:
            return whole
        if self.epoch not in epochs(whole):
            there = ", ".join(map(str, epochs(whole))) or "none but the last"
            raise BadConfig(f"epoch: {self.epoch} was not kept in {whole}; there is {there}.")
        return epoch_folder(whole, self.epoch)

    def _said(self) -> str:
        """The model's name and what its files hold."""
        of = "" if self.epoch is None else f" epoch {self.epoch}"
        if isinstance(self.model, Artifact):
            return f"{self.model.kind} artifact:{self.model.key}{of}"
        return f"{self.model} {identity(self.model)}{of}"

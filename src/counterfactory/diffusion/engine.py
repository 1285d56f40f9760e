"""The step that draws: a request to a sample, with any text-to-image pipeline of diffusers. No torch to configure."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.diffusion.adapted import Adapted, folder_of
from counterfactory.diffusion.schedulers import SchedulerName, steps_left
from counterfactory.errors import BadConfig, BadData
from counterfactory.names import ModelName, identity
from counterfactory.types import Artifact, Failed, Request, Sample
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.diffusion.painting import Painter


class Diffuse(BaseModel, frozen=True, extra="forbid"):
    """Draws requests.

    A request with a `strength` is drawn from its source: all of it, or where its mask has a number other than 0 (0
    where what is marked is kept), and the pixels elsewhere are the source's own. Without a strength, source and mask
    only say which size and which mask the picture has. Without a `size` it is as large as its source, else as its
    first layout, else as the model learnt.

    With `classes`, a request with a label and no words is drawn by its class: in the size that the classes were learnt
    in, and given back in its own.
    """

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False  # it fills each group of its batch itself

    pipeline: Artifact | ModelName = "zoo:diorama"
    controls: Mapping[str, ModelName] = {}  # ControlNets by the kind of layout: `edges`, `canny`, `masks` or any other
    image_prompts: ModelName | None = None  # an IP-Adapter
    tokens: Artifact | ModelName | None = None  # learnt words, as `InversionTrainer` leaves them
    classes: Adapted | None = None  # learnt classes, as `AdaptationTrainer` leaves them
    scheduler: SchedulerName = "own"
    steps: Annotated[int, Field(ge=1, le=1000)] = 25
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0  # how much noise DDIM adds at each step: 0 none, 1 as much as DDPM

    def load(self, worker: Worker) -> Callable[[Sequence[Request]], list[Sample | Failed]]:
        from counterfactory.diffusion.finishing import Finish
        from counterfactory.diffusion.studio import Studio

        finish = Finish(worker=worker, model=self._said(worker))
        return Studio(painter=self._painter(worker), worker=worker, finish=finish)

    def alike(self, worker: Worker, request: Request) -> Hashable:
        """What requests have in common that are drawn fastest together."""
        strength = request.strength
        begins = None if strength is None else (steps_left(self.steps, strength), request.mask is not None)
        kinds = tuple(sorted(control.kind for control in request.controls))
        return self._shape(worker, request), begins, kinds, request.image_prompt is not None, request.guidance == 1

    def _shape(self, worker: Worker, request: Request) -> Hashable:
        """The size, or for what has its source's the shape: sources of one shape are drawn in one size."""
        from counterfactory.diffusion.frames import guiding, size_of

        guide = guiding(request)
        if request.size or guide is None:
            return request.size
        try:
            return Fraction(*size_of(worker, guide))
        except BadData:  # drawing says what is wrong with it
            return None

    def _painter(self, worker: Worker) -> "Painter":
        from counterfactory.diffusion.borrowed import open_borrowed
        from counterfactory.diffusion.fits import has_unet
        from counterfactory.diffusion.painting import open_painter

        folder = folder_of(self.pipeline, worker)
        if has_unet(folder):
            return open_painter(self, folder, worker)
        taken = type(self)(pipeline=self.pipeline, steps=self.steps)
        if asked := [name for name, said in self if said != getattr(taken, name)]:
            raise BadConfig(
                f"{asked[0]}: the pipeline in {folder} is drawn from by its own call, which takes no other; "
                "leave the field out, or take a pipeline of the kind of SD 1.5 or SDXL."
            )
        return open_borrowed(folder, worker, self.steps)

    def _said(self, worker: Worker) -> str:
        """The pipeline's name and what its files hold, and the same of learnt tokens and classes."""
        said = [_said(model) for model in (self.pipeline, self.tokens) if model]
        if self.classes:
            said.append(f"{_said(self.classes.model)} epoch {int(self.classes.folder(worker).name)}")
        return " with ".join(said)


def _said(model: Artifact | str) -> str:
    return f"{model.kind} artifact:{model.key}" if isinstance(model, Artifact) else f"{model} {identity(model)}"

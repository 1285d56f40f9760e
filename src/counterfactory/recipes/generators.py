"""Who draws a synthetic data set: a pipeline adapted to the classes in two stages, or a model of pixels from nothing.

Both say in which stages they learn, by which trainer, and which step then draws.
"""

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from counterfactory.diffusion.adapted import COURSES, AdaptationTrainer, Adapted
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.pixel_engine import DrawPixels
from counterfactory.diffusion.schedulers import SchedulerName
from counterfactory.diffusion.trainers import ClassPixelTrainer
from counterfactory.names import ModelName
from counterfactory.training.schedule import Count, Schedule

Part = Literal["encoder", "denoiser", "pixels"]


class Way(BaseModel, frozen=True, extra="forbid"):
    """How pictures are drawn: what a search chooses, and a person may say by hand."""

    epoch: Count | None = Field(default=None, description="whose weights draw; null for the last")
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(default=10, description="from noise to a picture")
    guidance: Annotated[float, Field(ge=0)] = Field(
        default=2.0, description="how much more than nothing the class counts; 1 costs half"
    )
    scheduler: SchedulerName | None = Field(default=None, description="null for the generator's own")
    eta: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="noise that DDIM adds at each step")

    def fields(self) -> dict[str, Any]:
        """What a step that draws is told; guidance stands in each request."""
        own = {"scheduler": self.scheduler} if self.scheduler else {}
        return {"steps": self.steps, "eta": self.eta, **own}


class Generator(Protocol):
    """What the recipe asks of whoever draws."""

    @property
    def learn(self) -> tuple[Part, ...]: ...  # in this order
    @property
    def known(self) -> Adapted | None: ...  # what it begins with
    @property
    def base(self) -> str | None: ...  # what was trained by others before
    @property
    def fits_any_size(self) -> bool: ...  # drawings are given back in the size of the data
    def trainer(self, part: Part, before: Adapted | None, seed: int) -> Any: ...
    def engine(self, known: Adapted, way: Way) -> Any: ...


class Pipeline(BaseModel, frozen=True, extra="forbid"):
    """A text-to-image pipeline: an encoder of the classes learns beside it, then its denoiser beside the encoder."""

    kind: Literal["pipeline"] = "pipeline"

    start: Adapted | None = Field(default=None, description="an adaptation that was made before")
    learn: tuple[Literal["encoder", "denoiser"], ...] = Field(
        default=("encoder", "denoiser"), description="what learns, in this order; [] draws with `start` as it is"
    )
    encoder: AdaptationTrainer = Field(
        default=AdaptationTrainer(base="zoo:diorama"), description="how, and beside which pipeline (`base`)"
    )
    denoiser: Schedule = Field(default=COURSES["denoiser"], description="how long and how fast the denoiser learns")
    rank: Count | None = Field(default=None, description="of a LoRA that the denoiser learns by; null for all of it")

    @model_validator(mode="after")
    def _begins(self) -> "Pipeline":
        if self.start is None and self.learn[:1] != ("encoder",):
            raise ValueError("learn: without a `start` an encoder learns first; name one, or say learn: [encoder].")
        if self.encoder.start or self.encoder.stage != "encoder":
            raise ValueError("encoder.start, encoder.stage: they follow from `start` and `learn`; say generator.start.")
        if self.encoder.schedule.seed or self.denoiser.seed:
            raise ValueError("a schedule's seed is the first of the recipe's `seeds`; set those, and leave it out.")
        return self

    @property
    def known(self) -> Adapted | None:
        return self.start

    @property
    def base(self) -> str | None:
        return self.encoder.base

    @property
    def fits_any_size(self) -> bool:
        return True

    def trainer(self, part: Part, before: Adapted | None, seed: int) -> AdaptationTrainer:
        """How a part learns beside what was learnt before."""
        schedule = self.encoder.schedule if part == "encoder" else self.denoiser
        rank = None if part == "encoder" else self.rank
        own = {"stage": part, "start": before, "rank": rank, "schedule": schedule.model_copy(update={"seed": seed})}
        return self.encoder.model_copy(update=own)

    def engine(self, known: Adapted, way: Way) -> Diffuse:
        """The step that draws with what was learnt."""
        classes = Adapted(model=known.model, epoch=way.epoch or known.epoch)
        return Diffuse(pipeline=self.encoder.base, classes=classes, **way.fields())


class Pixels(BaseModel, frozen=True, extra="forbid"):
    """A diffusion model of pixels that learns from nothing: for pictures of 28 to 64 pixels that no pipeline suits."""

    kind: Literal["pixels"] = "pixels"

    start: ModelName | None = Field(default=None, description="one that was trained before; then nothing learns")
    network: ClassPixelTrainer = Field(default=ClassPixelTrainer(every=50), description="its shape, and how it learns")

    @property
    def learn(self) -> tuple[Part, ...]:
        return () if self.start else ("pixels",)

    @property
    def known(self) -> Adapted | None:
        return Adapted(model=self.start) if self.start else None

    @property
    def base(self) -> str | None:
        return None

    @property
    def fits_any_size(self) -> bool:
        return False

    def trainer(self, part: Part, before: Adapted | None, seed: int) -> ClassPixelTrainer:
        """How it learns."""
        return self.network.model_copy(update={"schedule": self.network.schedule.model_copy(update={"seed": seed})})

    def engine(self, known: Adapted, way: Way) -> DrawPixels:
        """The step that draws with what was learnt."""
        return DrawPixels(model=known.model, epoch=way.epoch, **way.fields())


def _kind(said: Any) -> str:
    return str(said.get("kind", "pipeline") if isinstance(said, dict) else getattr(said, "kind", said))


Drawing = Annotated[
    Annotated[Pipeline, Tag("pipeline")] | Annotated[Pixels, Tag("pixels")],
    Discriminator(_kind),
]

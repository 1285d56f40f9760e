"""The step that explains: a question to the image that answers it. Configuration only, no torch to say it.

`Explain` is DiME (Jeanneret et al. 2022) and its quick relatives on one loop; docs/explain.md has the equations.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Discriminator, Field, model_validator

from counterfactory.keys import ASIDE
from counterfactory.names import ModelName
from counterfactory.types import Artifact, Explanation, Failed, Question
from counterfactory.worker import Worker

Mode = Literal["fast", "chained", "exact"]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
PUBLISHED = (8.0, 10.0, 15.0)
OF_UNIT_PULL = (0.8, 1.0, 1.5, 2.0)  # of gradients whose root mean square is 1


class Backbone(BaseModel, frozen=True, extra="forbid"):
    """Any vision model of transformers, or the half of a CLIP that sees; pictures are as near as what a layer says."""

    kind: Literal["backbone"] = "backbone"
    name: ModelName = "zoo:diorama/clip"
    layer: Annotated[int, Field(ge=0)] | None = Field(default=None, description="from 0, the first; null: the middle")


class Vgg(BaseModel, frozen=True, extra="forbid"):
    """The first layers of VGG-19, as published; its weights as torchvision names them, in a safetensors file."""

    kind: Literal["vgg"] = "vgg"
    weights: ModelName
    layers: Annotated[int, Field(ge=1, le=37)] = 18


Eyes = Annotated[Backbone | Vgg, Discriminator("kind")]


LED_BACK, PASSED_BY = 0.56, 0.68  # of the steps are taken back, by the way of a pull to the noisy image


class Losses(BaseModel, frozen=True, extra="forbid"):
    """What holds the changed image near its source, and how strongly; a weight of 0 leaves a part out."""

    l1: Weight = Field(default=0.05, description="every colour's distance, of the noisy image")
    l2: Weight = Field(default=0.0, description="every pixel's distance, of the noisy image")
    perceptual: Weight = Field(default=30.0, description="how other it looks to `eyes`, of the clean estimate")


class Mask(BaseModel, frozen=True, extra="forbid"):
    """Where the image may change: around what the clean estimate changes most. Elsewhere it stays its source."""

    threshold: Share = Field(default=0.3, description="of the greatest change; less does not count")
    reach: Annotated[int, Field(ge=0)] = Field(default=2, description="pixels around what counts")
    starts: Annotated[float, Field(ge=0, le=1)] = Field(default=0.5, description="after this share of the steps")


class Views(BaseModel, frozen=True, extra="forbid"):
    """The pictures over which the answer's pull is the mean: none of them as it is, if they are moved or noised."""

    count: Count = Field(default=8, description="of them")
    moved: Annotated[float, Field(ge=0, lt=0.5)] = Field(default=0.06, description="by up to this share of their sides")
    noise: Annotated[float, Field(ge=0)] = Field(default=0.1, description="its deviation, where colours go from 0 to 1")


ALONE = Views(count=1, moved=0, noise=0)


class Plan(BaseModel, frozen=True, extra="forbid"):
    """How a search goes."""

    steps: Count | None = Field(default=50, description="from noise to picture; null: as a converted denoiser's flags")
    start: Count | None = Field(
        default=None, description="of these steps are taken back; null: 56 %, or 68 where pulls pass the denoiser by"
    )
    noised_further: bool = Field(default=False, description="begins one step noisier than it goes back, as published")
    scales: tuple[Weight, ...] | None = Field(
        default=None, min_length=1, description="of the answer's pull, tried in turn; null: as the mode wants them"
    )
    answer: Literal["logits", "log-probabilities"] = Field(default="logits", description="what pulls")
    guided: Count | None = Field(default=None, description="steps that are pulled, from the first; null for all")
    inner: Literal["sampled", "mean"] = Field(
        default="sampled", description="the exact estimate, with noise or without"
    )
    leaps: Count = Field(default=5, description="steps of the chained estimate")
    led_back: bool | None = Field(
        default=None,
        description="pulls come through the denoiser, by a call back at each step; null: in the fast mode",
    )
    mask: Mask | None = Field(
        default=None, description="where the image may change; null: around what changes in the fast mode, else all"
    )
    views: Views | None = Field(
        default=None, description="the pictures that the pull is meant for; null: eight in the fast mode, else one"
    )
    losses: Losses = Field(default=Losses(), description="what holds it near its source")
    eyes: Eyes = Field(default=Backbone(), description="what perceptual distances are seen with")

    @model_validator(mode="after")
    def _fits(self) -> "Plan":
        if self.steps and self.start and self.start + self.noised_further > self.steps:
            raise ValueError(f"start: {self.start} of {self.steps} steps are too many; give fewer, or more steps")
        return self

    def leads_back(self, mode: Mode) -> bool:
        """Whether pulls come through the denoiser."""
        return mode == "fast" if self.led_back is None else self.led_back

    def rescales(self, mode: Mode) -> bool:
        """Whether the answer's gradient is brought to a root mean square of 1."""
        return mode == "fast" or self.leads_back(mode)

    def taken_back(self, mode: Mode, steps: int) -> int:
        """How many of the steps are taken back."""
        return self.start or max(1, round(steps * (LED_BACK if self.leads_back(mode) else PASSED_BY)))

    def seen(self, mode: Mode) -> Views:
        """The pictures that the pull is meant for."""
        return self.views or (Views() if mode == "fast" else ALONE)

    def held(self, mode: Mode) -> Mask | None:
        """Where the image may change; everywhere without one."""
        return self.mask or (Mask() if mode == "fast" else None)

    def tried(self, mode: Mode) -> tuple[float, ...]:
        """The scales that are tried in turn."""
        return self.scales or (OF_UNIT_PULL if self.rescales(mode) else PUBLISHED)


class Explain(BaseModel, frozen=True, extra="forbid"):
    """Looks for the least change by which `classifier` answers a question as it was wanted.

    A question's `wanted` counts the classifier's own answers. Classes are asked of a classifier with one label an
    image; attributes, there or not, of one with several.
    """

    version: ClassVar[int] = 2
    pads: ClassVar[bool] = False  # it fills each of its batches itself

    classifier: Artifact | ModelName
    denoiser: Artifact | ModelName = "zoo:diorama/ddpm"
    mode: Mode = "fast"  # the clean estimate: of one step, of a few leaps, or of the whole chain
    search: Plan = Plan()
    traced: bool = False  # keeps the clean estimate of each step
    at_once: Annotated[Count, ASIDE] = 64  # images whose further tries share batches; a kill costs as many

    def load(self, worker: Worker) -> Callable[[Sequence[Question]], list[Explanation | Failed]]:
        from counterfactory.explain.pooling import open_explainer

        return open_explainer(self, worker)

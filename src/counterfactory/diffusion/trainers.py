"""The generative trainers as configuration: what is trained, on which shapes, for how long. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from counterfactory.keys import ASIDE
from counterfactory.names import ModelName
from counterfactory.training.ending import finished
from counterfactory.training.schedule import Count, Positive, Schedule
from counterfactory.types import Dataset
from counterfactory.worker import Worker

FEWEST_LINEAR = 20  # steps of linear noise whose last takes all that is there
Side = Annotated[int, Field(ge=8, le=2048)]
TEMPLATES = (
    "a photo of {}",
    "a picture that shows {}",
    "{}",
    "{} and what is around it",
    "a close view of {}",
    "{} seen from some way off",
    "an image with {} in the middle",
    "a snapshot of {}",
)


class AutoencoderTrainer(BaseModel, frozen=True, extra="forbid"):
    """An `AutoencoderTiny` from `datasets["train"]`: each level but the first halves the picture."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "autoencoder"

    schedule: Schedule = Schedule(
        images=400_000, batch_size=16, learning_rate=2e-3, weight_decay=1e-4, rise=50, smoothing=0.995
    )
    size: Count = 64  # of the pictures
    crop: Count = 32  # of what is learnt from at each step: cheaper, and enough for a network that looks no further
    channels: tuple[Count, ...] = (48, 48, 48)
    latent_channels: Count = 4  # other numbers close the way to diffusers' inpainting

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `AutoencoderTiny.from_pretrained` loads; goes on where a killed call stopped."""
        from counterfactory.diffusion.autoencoder import trained

        return finished(folder, trained(self, worker, folder, datasets))


class Network(BaseModel, frozen=True, extra="forbid"):
    """The shape of a latent model: a `UNet2DConditionModel` and the `CLIPTextModel` that it listens to."""

    channels: tuple[Count, ...] = (48, 112, 144)
    attends: tuple[bool, ...] = (False, True, True)  # at which levels the picture looks at the text
    layers: Count = 1
    heads: Count = 4
    groups: Count = 16
    text_width: Count = 128
    text_layers: Count = 2


class LatentTrainer(BaseModel, frozen=True, extra="forbid"):
    """A text-to-image model from the captions of `datasets["train"]`, in the latents of an autoencoder."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "latent"

    autoencoder: ModelName
    schedule: Schedule = Schedule(images=1_000_000)
    network: Network = Network()
    size: Count = 64
    vocabulary: Count = 1000  # at most so many tokens
    length: Count = 32  # tokens of a prompt
    unsaid: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of captions left out, so that guidance has a zero

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `StableDiffusionPipeline.from_pretrained` loads; resumes like any training."""
        from counterfactory.diffusion.latent import trained

        return finished(folder, trained(self, worker, folder, datasets))


class PixelNetwork(BaseModel, frozen=True, extra="forbid"):
    """The shape of a diffusion model of pixels, a `UNet2DModel`: each level but the first halves the picture."""

    channels: tuple[Count, ...] = Field(default=(32, 64, 96, 128), min_length=1)
    attends: tuple[bool, ...] = (False, False, True, True)  # at which levels the picture looks at all of itself
    layers: Count = 1
    head_width: Count = 32
    groups: Count = 16
    resample: Literal["conv", "resnet"] = "conv"  # what changes sizes: a convolution, or a block that hears the time


def _of_levels(shape: PixelNetwork) -> PixelNetwork:
    """A shape of which a network can be built."""
    if len(shape.attends) != len(shape.channels):
        raise ValueError(
            f"attends: {len(shape.attends)} values for {len(shape.channels)} levels of channels; give one for each."
        )
    if odd := [width for width in shape.channels if width % shape.groups]:
        raise ValueError(f"channels: {odd[0]} is no multiple of groups, {shape.groups}; give one, or other groups.")
    looking = [width for width, looks in zip(shape.channels, shape.attends, strict=True) if looks]
    if shape.head_width > (least := min([*looking, shape.channels[-1]])):
        raise ValueError(
            f"head_width: {shape.head_width} is more than the {least} channels of a level that looks at all of itself, "
            "as the last one always does; give less."
        )
    return shape


Levels = Annotated[PixelNetwork, AfterValidator(_of_levels)]


class PixelTrainer(BaseModel, frozen=True, extra="forbid"):
    """An unconditional diffusion model of the pixels of `datasets["train"]`, which learns its variance too."""

    version: ClassVar[int] = 2
    kind: ClassVar[str] = "pixel"

    start: ModelName | None = None  # a denoiser of the same shape whose weights are the first ones
    schedule: Schedule = Schedule(images=1_000_000, batch_size=32)
    network: Levels = PixelNetwork()
    size: Count = 32  # of the pictures that are learnt
    shrink: Count = 1  # the pictures lie there so much larger, as another training wants them
    times: Count = 1000  # steps from picture to noise
    noising: Literal["linear", "cosine"] = "cosine"  # small pictures lose too much too soon by the linear one
    weight_of_noise: Annotated[float, Field(ge=1)] = 1.0  # how often errors count, at most, where there is only noise
    most_signal: Positive | None = None  # of signal over noise: above it errors count by so much less (min-SNR)
    bound_weight: Positive | None = None  # of one step's term; a thousandth of all steps if unsaid (IDDPM, eq. 16)

    @model_validator(mode="after")
    def _halves_evenly(self) -> "PixelTrainer":
        factor = 2 ** (len(self.network.channels) - 1)
        if self.size % factor:
            raise ValueError(
                f"size: {self.size} cannot be halved {len(self.network.channels) - 1} times, once for each level of "
                f"the network after the first; give a multiple of {factor}."
            )
        if self.noising == "linear" and self.times <= FEWEST_LINEAR:
            raise ValueError(
                f"times: {self.times} steps of linear noise leave no signal; give more than {FEWEST_LINEAR}."
            )
        return self

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `DDPMPipeline.from_pretrained` loads; resumes like any training."""
        from counterfactory.diffusion.pixel import trained

        return finished(folder, trained(self, worker, folder, datasets))


class ClassPixelTrainer(BaseModel, frozen=True, extra="forbid"):
    """A diffusion model of pixels that draws the classes of `datasets["train"]`: from scratch, for small pictures."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "class-pixels"

    schedule: Schedule = Schedule(images=1_000_000, batch_size=32)
    network: Levels = PixelNetwork()
    size: Side = 32  # of the pictures; where the network cannot halve it they get a margin, which is cut off again
    times: Count = 1000  # steps from picture to noise
    noising: Literal["linear", "cosine"] = "cosine"
    unsaid: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of labels left out, so that guidance has a zero
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of pictures that are mirrored
    every: Count | None = None  # passes over the data between weights that are kept; None for those of the end alone

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `DrawPixels` draws from, as a `DDPMPipeline` has it; resumes like any training."""
        from counterfactory.diffusion.class_pixels import trained

        return finished(folder, trained(self, worker, folder, datasets))


class ControlTrainer(BaseModel, frozen=True, extra="forbid"):
    """A ControlNet by whose layouts a finished text-to-image model, which stays as it is, learns to draw."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "control"

    base: ModelName
    control: Literal["edges", "masks"]  # the layout: soft edges of the images, or their masks, a colour for each number
    schedule: Schedule = Schedule(images=200_000, learning_rate=5e-4)
    size: Count = 64
    attends: tuple[bool, ...] | None = None  # at which levels the layout is read with the text; like the base if unsaid
    hints: tuple[Count, ...] = (16, 32, 64)  # channels in which a layout is read; each but the first halves it
    unsaid: Annotated[float, Field(ge=0, lt=1)] = 0.3  # share of captions left out, so that the layout says what it can

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `ControlNetModel.from_pretrained` loads; resumes like any training."""
        from counterfactory.diffusion.control import trained

        return finished(folder, trained(self, worker, folder, datasets))


class ImagePromptTrainer(BaseModel, frozen=True, extra="forbid"):
    """An IP-Adapter through which a finished text-to-image model, which stays as it is, listens to pictures."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "image-prompt"

    base: ModelName
    encoder: ModelName  # a CLIP model, or its half that looks at pictures
    schedule: Schedule = Schedule(images=200_000, learning_rate=5e-4)
    size: Count = 64
    unsaid: Annotated[float, Field(ge=0, lt=1)] = 0.4  # share of captions left out, so that the picture must be heeded
    unseen: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of pictures left out, so that guidance has a zero

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder from which `load_ip_adapter` takes weights and image encoder; resumes like any training."""
        from counterfactory.diffusion.image_prompt import trained

        return finished(folder, trained(self, worker, folder, datasets))


class InversionTrainer(BaseModel, frozen=True, extra="forbid"):
    """A word of its own for each class of `datasets["train"]`, in the language of a text-to-image model that stays."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "tokens"

    base: ModelName
    schedule: Schedule = Field(  # as published for Stable Diffusion: 1,000 steps of four pictures
        default=Schedule(
            images=4000, batch_size=4, learning_rate=5e-4, weight_decay=1e-2, second_beta=0.999, rise=1, smoothing=0.98
        ),
        description="of each class, whichever classes share its batches",
    )
    scale_rate: bool = True  # the learning rate is for a batch of one picture, and grows with it
    vectors: Count = 1  # of a word
    start: str | None = None  # a word that they begin as; the class's own name if unsaid
    size: Count | None = None  # of the pictures; as the model learnt if unsaid
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5  # share of pictures that are mirrored
    templates: tuple[str, ...] = TEMPLATES  # in which the word is said
    classes_at_once: Annotated[Count, ASIDE] = 4

    @field_validator("templates")
    @classmethod
    def _say_the_word(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        if not templates or not all("{}" in template for template in templates):
            raise ValueError("templates: each has {} where the word stands, and there is one at least.")
        return templates

    @field_validator("start")
    @classmethod
    def _is_a_word(cls, start: str | None) -> str | None:
        if start is not None and not start.strip():
            raise ValueError("start: give a word, or leave it out for the class's own name.")
        return start

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a file for each class that `load_textual_inversion` reads, and `tokens.json`; see `tokens`."""
        from counterfactory.diffusion.inversion import trained

        return finished(folder, trained(self, worker, folder, datasets))

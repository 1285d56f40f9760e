"""The generative trainers as configuration: what is trained, on which shapes, for how long. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from counterfactory.names import ModelName
from counterfactory.training.schedule import Count, Schedule
from counterfactory.types import Dataset
from counterfactory.worker import Worker


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
        from counterfactory.diffusion.autoencoder import fit

        return fit(self, worker, folder, datasets)


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
        from counterfactory.diffusion.latent import fit

        return fit(self, worker, folder, datasets)

"""The steps that ask a CLIP: how well a picture goes with a text, where it lies, which class it is."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel, field_validator

from counterfactory.names import ModelName, model_folder
from counterfactory.types import Address, Artifact, Failed, Sample
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.score.clip_model import Clip

Picture = Sample | Address


class ClipScore(BaseModel, frozen=True, extra="forbid"):
    """The cosine, from -1 to 1, between a picture and a text: CLIPScore (Hessel et al. 2021) without its scale."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[tuple[Picture, str]]], list[float | Failed]]:
        clip = _opened(self.model, worker)

        def score(pairs: Sequence[tuple[Picture, str]]) -> list[float | Failed]:
            images_BD = clip.images([worker.pixels.image(_address(picture)) for picture, _ in pairs])
            texts_BD = clip.texts([text for _, text in pairs])
            return [float(cosine) for cosine in (images_BD * texts_BD).sum(1)]

        return score


class ClipEmbed(BaseModel, frozen=True, extra="forbid"):
    """Where a picture lies in CLIP's space: an array (D,) of length 1."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[Picture]], list[np.ndarray | Failed]]:
        clip = _opened(self.model, worker)

        def embed(pictures: Sequence[Picture]) -> list[np.ndarray | Failed]:
            return list(clip.images([worker.pixels.image(_address(picture)) for picture in pictures]).numpy())

        return embed


class ClipText(BaseModel, frozen=True, extra="forbid"):
    """Where a text lies in CLIP's space: an array (D,) of length 1."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName

    def load(self, worker: Worker) -> Callable[[Sequence[str]], list[np.ndarray | Failed]]:
        clip = _opened(self.model, worker)

        def embed(texts: Sequence[str]) -> list[np.ndarray | Failed]:
            return list(clip.texts(list(texts)).numpy())

        return embed


class ClipZeroShot(BaseModel, frozen=True, extra="forbid"):
    """A picture's probabilities, one a class in order, over a prompt for each: the softmax of CLIP's own logits."""

    version: ClassVar[int] = 1

    model: Artifact | ModelName
    classes: tuple[str, ...]
    prompt: str = "a photo of a {}"  # {} is the class's name

    @field_validator("prompt")
    @classmethod
    def _names_the_class(cls, prompt: str) -> str:
        if "{}" not in prompt:
            raise ValueError("say with {} where the class's name goes, as in 'a photo of a {}'.")
        return prompt

    def load(self, worker: Worker) -> Callable[[Sequence[Picture]], list[tuple[float, ...] | Failed]]:
        clip = _opened(self.model, worker)
        texts_CD = clip.texts([self.prompt.replace("{}", name) for name in self.classes])

        def classify(pictures: Sequence[Picture]) -> list[tuple[float, ...] | Failed]:
            images_BD = clip.images([worker.pixels.image(_address(picture)) for picture in pictures])
            return [tuple(row.tolist()) for row in (clip.scale * images_BD @ texts_CD.T).softmax(1)]

        return classify


def _opened(model: Artifact | str, worker: Worker) -> "Clip":
    from counterfactory.score.clip_model import open_clip

    folder = worker.artifact(model) if isinstance(model, Artifact) else model_folder(model)
    return open_clip(folder, worker.device, worker.torch_dtype())


def _address(picture: Picture) -> Address:
    return picture.image if isinstance(picture, Sample) else picture

"""The step that says what pictures show."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from counterfactory.keys import seed_for
from counterfactory.names import ModelName, model_folder
from counterfactory.types import Address, Artifact, Failed, Sample
from counterfactory.worker import Worker


class Caption(BaseModel, frozen=True, extra="forbid"):
    """Captions of a picture: first the likeliest, each further one drawn with a seed of its own."""

    version: ClassVar[int] = 1

    kind: Literal["model"] = "model"
    model: Artifact | ModelName
    prompt: str | None = None  # what a caption begins with, or what is asked; none: what suits the model
    captions: Annotated[int, Field(ge=1, le=100)] = 1  # of each picture
    seed: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=1, le=1000)] = 40  # of a caption

    def load(self, worker: Worker) -> Callable[[Sequence[Sample | Address]], list[tuple[str, ...] | Failed]]:
        from counterfactory.caption.models import open_captioner

        folder = worker.artifact(self.model) if isinstance(self.model, Artifact) else model_folder(self.model)
        captioner = open_captioner(folder, worker.device, worker.torch_dtype(), self.prompt)

        def caption(pictures: Sequence[Sample | Address]) -> list[tuple[str, ...] | Failed]:
            addresses = [picture.image if isinstance(picture, Sample) else picture for picture in pictures]
            seen = captioner.see([worker.pixels.image(address) for address in addresses])
            rounds = [
                captioner.say(seen, self._seeds(addresses, turn), self.max_tokens) for turn in range(self.captions)
            ]
            return [_said(texts) for texts in zip(*rounds, strict=True)]

        return caption

    def _seeds(self, addresses: Sequence[Address], turn: int) -> list[int] | None:
        """A seed a picture, whatever it is captioned beside; none for the likeliest words."""
        return [seed_for("caption", self.seed, address, turn) for address in addresses] if turn else None


def _said(texts: tuple[str, ...]) -> tuple[str, ...] | Failed:
    return texts if all(texts) else Failed("", "the captioner said nothing of this picture")

"""Captions from a model that sees, behind an OpenAI-compatible endpoint."""

import io
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

from PIL import Image
from pydantic import BaseModel, Field

from counterfactory.asking.asker import Asker
from counterfactory.asking.chat import Picture
from counterfactory.asking.conversation import Conversation, Question, until_valid
from counterfactory.asking.endpoint import Endpoint
from counterfactory.asking.holding import hold_apart
from counterfactory.asking.reading import Invalid
from counterfactory.caption.instruction import instruction
from counterfactory.keys import seed_for
from counterfactory.types import Address, Failed, Sample
from counterfactory.worker import Worker

FORM = 'Answer with nothing but JSON of this form:\n{"captions": ["..."]}'
LONGEST = 500  # characters of a caption; what is longer is an essay
QUALITY = 90  # of the JPEG


class Captions(BaseModel, extra="forbid"):
    captions: list[str]


class AskCaption(BaseModel, frozen=True, extra="forbid"):
    """Captions of a picture by a model that is asked for them; all of a picture in one question."""

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False

    kind: Literal["endpoint"] = "endpoint"
    endpoint: Endpoint
    captions: Annotated[int, Field(ge=1, le=20)] = 1  # of each picture
    seed: Annotated[int, Field(ge=0)] = 0
    side: Annotated[int, Field(ge=16, le=4096)] = 512  # pixels of the longer side as it is sent, at most
    prompt: str | None = None  # in place of our own; the form of the answer is asked for in any case

    @property
    def at_once(self) -> int:
        """Pictures that are wanted in a batch."""
        return self.endpoint.at_once

    def load(self, worker: Worker) -> Callable[[Sequence[Sample | Address]], list[tuple[str, ...] | Failed]]:
        ask = Asker(self.endpoint, worker.workspace)

        def caption(pictures: Sequence[Sample | Address]) -> list[tuple[str, ...] | Failed]:
            addresses = [picture.image if isinstance(picture, Sample) else picture for picture in pictures]
            held = [self._asked(address, worker) for address in addresses]
            return hold_apart(held, ask, self.endpoint.concurrency)

        return caption

    def _asked(self, address: Address, worker: Worker) -> Conversation[tuple[str, ...]]:
        picture = Picture(
            name=f"{address.digest} within {self.side}",
            jpeg=lambda: encode_jpeg(worker.pixels.image(address), self.side),
        )
        question = Question(
            text=f"{self.prompt or instruction(self.captions)}\n\n{FORM}",
            form=Captions,
            mean=self._meant,
            pictures=(picture,),
            seed=seed_for("caption", self.seed, address),
        )
        return until_valid(question, self.endpoint.tries)

    def _meant(self, said: Captions) -> tuple[str, ...]:
        texts = tuple(dict.fromkeys(text for caption in said.captions if (text := " ".join(caption.split()))))
        if any(len(text) > LONGEST for text in texts):
            raise Invalid(f"a caption has more than {LONGEST} characters")
        if any(not any(sign.isalpha() for sign in text) for text in texts):
            raise Invalid("a caption has no words")
        if len(texts) < self.captions:
            raise Invalid(f"expected {self.captions} different captions and there are {len(texts)}")
        return texts[: self.captions]


def encode_jpeg(image: Image.Image, side: int) -> bytes:
    """A picture that is small enough to be sent."""
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()

"""How much of a picture another one has changed, seen from afar."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import BaseModel

from counterfactory.types import Address, Failed
from counterfactory.worker import Worker

SIDE = 64  # pixels to which both are shrunk: film grain and edges a pixel off are no change
WHITE = 255.0


class Change(BaseModel, frozen=True, extra="forbid"):
    """The mean difference of two pictures' pixels, from 0 to 1, for each pair."""

    version: ClassVar[int] = 1

    def load(self, worker: Worker) -> Callable[[Sequence[tuple[Address, Address]]], list[float | Failed]]:
        def change(pairs: Sequence[tuple[Address, Address]]) -> list[float | Failed]:
            return [difference(*(worker.pixels.image(address) for address in pair)) for pair in pairs]

        return change


class Trace(BaseModel, frozen=True, extra="forbid"):
    """How much a picture changes when it is kept as a coarse JPEG: what nobody would call an edit."""

    version: ClassVar[int] = 1

    quality: int = 30

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[float | Failed]]:
        def trace(addresses: Sequence[Address]) -> list[float | Failed]:
            pictures = [worker.pixels.image(address) for address in addresses]
            return [difference(picture, _as_jpeg(picture, self.quality)) for picture in pictures]

        return trace


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean over pixels and colours of how far two pictures are apart, from 0 to 1."""
    both = [np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64) for picture in (one, other)]
    return float(np.abs(both[0] - both[1]).mean() / WHITE)


def _as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")

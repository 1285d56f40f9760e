"""Whether images decode: a step that recipes put before their own, so that a broken file is a failed row."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from counterfactory.errors import BadData
from counterfactory.pixels import UNREADABLE, Pixels, to_rgb
from counterfactory.types import Address, Failed
from counterfactory.worker import Worker

Seen = dict[str, Any]


class Check(BaseModel, frozen=True, extra="forbid"):
    """Decodes each image once, all the way to RGB: its size and colour mode as stored, or why there is none."""

    version: ClassVar[int] = 2

    def load(self, worker: Worker) -> Callable[[Sequence[Address]], list[Seen | Failed]]:
        pixels, threads = worker.pixels, ThreadPoolExecutor(worker.processes)
        return lambda addresses: list(threads.map(partial(look, pixels), addresses))


def look(pixels: Pixels, address: Address) -> Seen | Failed:
    """What one image is like; too many pixels are refused before they are decoded."""
    try:
        image = pixels.stored(address)
        to_rgb(image, address.place)
    except (BadData, *UNREADABLE) as error:
        return Failed(address.digest, str(error))
    return {"width": image.width, "height": image.height, "mode": image.mode}

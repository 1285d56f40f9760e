"""How large a picture is drawn and how large it is handed back. Reads no more of a picture than its size."""

import io
import math
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from counterfactory.diffusion.adapted import wordless
from counterfactory.errors import BadConfig, BadData
from counterfactory.pixels import UNREADABLE, orientation
from counterfactory.types import Address, Request
from counterfactory.worker import Worker

Size = tuple[int, int]  # width, height
SMALLEST = 8  # pixels of a side; a layout of less says nothing


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The sizes that a model draws: sides are multiples of a factor, and it learnt squares of one side."""

    factor: int
    side: int
    by_class: int | None = None  # of pictures that are asked for by their class alone, where those can be


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The size that a picture is drawn in, and the one that it is given back in."""

    drawn: Size
    shown: Size


def framed(request: Request, grid: Grid, worker: Worker) -> Frame:
    """A request's own size; else its source's shape in as many pixels as the model learnt, given back in its size.

    A class is drawn as it was learnt, in a square, and given back in the request's own size.
    """
    if grid.by_class and wordless(request) and guiding(request) is None:
        square = (grid.by_class, grid.by_class)
        return Frame(drawn=square, shown=request.size or square)
    if request.size:
        width, height = request.size
        if width % grid.factor or height % grid.factor or min(request.size) < grid.factor:
            raise BadConfig(
                f"size: {width} x {height} is not a multiple of {grid.factor} pixels, which this model works in."
            )
        return Frame(drawn=request.size, shown=request.size)
    guide = guiding(request)
    if guide is None:
        return Frame(drawn=(grid.side, grid.side), shown=(grid.side, grid.side))
    shown = size_of(worker, guide)
    return Frame(drawn=nearest(shown, grid), shown=shown)


def guiding(request: Request) -> Address | None:
    """The picture whose size a drawing takes where it has none of its own: its source, its layout or its mask."""
    return request.source or next((control.image for control in request.controls), request.mask)


def nearest(size: Size, grid: Grid) -> Size:
    """The size that a model draws whose sides are most like a picture's: the same shape, as large as it learnt."""
    scale = grid.side / math.sqrt(size[0] * size[1])
    width, height = (max(1, round(side * scale / grid.factor)) * grid.factor for side in size)
    return width, height


@lru_cache(maxsize=8192)
def size_of(worker: Worker, address: Address) -> Size:
    """Width and height of a picture as it is shown, upright."""
    try:
        image = Image.open(io.BytesIO(worker.pixels.encoded(address)))
    except FileNotFoundError:
        raise BadData(f"{address.place}: there is no such image any more.") from None
    except UNREADABLE as error:
        raise BadData(f"{address.place}: cannot be decoded as an image ({error}).") from error
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def refuse_sizes(request: Request, worker: Worker) -> None:
    """A layout of nearly no pixels is refused, and a mask that does not lie on its source."""
    for control in request.controls:
        refuse_small(control.kind, control.image, size_of(worker, control.image))
    masks = [request.mask, *(control.image for control in request.controls if control.kind == "masks")]
    for mask in masks:
        if not (mask and request.source) or size_of(worker, mask) == size_of(worker, request.source):
            continue
        (a, b), (c, d) = size_of(worker, mask), size_of(worker, request.source)
        raise BadData(
            f"{mask.place}: this mask has {a} x {b} pixels and its image {c} x {d}; expected a mask of its image's "
            "size. Resize one of them, without blending the mask's numbers."
        )


def refuse_small(kind: str, address: Address, size: Size) -> None:
    """An image that is too small to have a layout."""
    if min(size) < SMALLEST:
        raise BadData(
            f"{address.place}: {size[0]} x {size[1]} pixels are too few for the control {kind!r}; expected at least "
            f"{SMALLEST} on each side."
        )

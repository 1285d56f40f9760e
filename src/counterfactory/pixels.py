"""Addresses to pixels: opens every place that images lie in, and makes any image upright 8-bit RGB."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from counterfactory.blobs import Blobs
from counterfactory.errors import BadData
from counterfactory.processes import Helpers, interruptible
from counterfactory.types import Address

_READERS: dict[int, Helpers] = {}
MAX_PIXELS = 89_000_000  # below PIL's own limit, so that ours is the message
CHUNK = 128  # images that a process is given at once
PARALLEL_FROM = 512  # fewer images than this are read faster than processes start
ORIENTATION = 0x0112  # of EXIF's tags
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UNREADABLE = (  # what PIL raises of a damaged file, depending on its format and on where it is damaged
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


@dataclass(frozen=True)
class Place:
    """How to open one scheme of places; `keep` says that opening costs enough to keep the result as a blob."""

    read: Callable[[str], bytes | Image.Image]
    keep: bool = False


@dataclass(frozen=True)
class Pixels:
    """Reads images from wherever they lie. A value that travels to other processes."""

    blobs: Blobs | None = None
    processes: int = 1

    def image(self, address: Address) -> Image.Image:
        """The image as upright 8-bit RGB, whatever it was stored as."""
        return to_rgb(self._opened(address), address.place)

    def stored(self, address: Address) -> Image.Image:
        """The image in the size and mode that it is stored in, decoded."""
        return _checked(self._opened(address), address.place)

    def mask(self, address: Address) -> np.ndarray:
        """A mask as it is stored: one whole number a pixel, palette colours as their numbers."""
        return np.array(self.stored(address))

    def encoded(self, address: Address) -> bytes:
        """The bytes of an image file: as they are stored, or a PNG of what has no file of its own."""
        found = self._found(address)
        return found if isinstance(found, bytes) else encode_png(found)

    def arrays(self, addresses: Sequence[Address], size: tuple[int, int]) -> np.ndarray:
        """Images as one array (N, height, width, 3), each squeezed to `size` (width, height), in order."""
        if self.processes < 2 or len(addresses) < PARALLEL_FROM:
            return self._arrays(addresses, size)
        chunks = [addresses[i : i + CHUNK] for i in range(0, len(addresses), CHUNK)]
        out = np.empty((len(addresses), size[1], size[0], 3), np.uint8)
        with interruptible(_readers(self.processes)) as helpers:
            parts = helpers.map(self._arrays, chunks, [size] * len(chunks))
            for start, part in zip(range(0, len(addresses), CHUNK), parts, strict=True):
                out[start : start + CHUNK] = part
        return out

    def _arrays(self, addresses: Sequence[Address], size: tuple[int, int]) -> np.ndarray:
        out = np.empty((len(addresses), size[1], size[0], 3), np.uint8)
        for row, address in zip(out, addresses, strict=True):
            image = self.image(address)
            row[:] = np.asarray(image if image.size == size else image.resize(size, Image.Resampling.BICUBIC))
        return out

    def _opened(self, address: Address) -> Image.Image:
        found = self._found(address)
        return found if isinstance(found, Image.Image) else _open(found, address.place)

    def _found(self, address: Address) -> bytes | Image.Image:
        if self.blobs is not None and address.digest in self.blobs:
            return self.blobs.get(address.digest)
        scheme, _, rest = address.place.partition(":")
        if scheme == "blob":
            raise BadData(f"The image {address.digest} is not in this workspace any more; run again what made it.")
        place = find_place(scheme)
        found = place.read(rest)
        if place.keep and self.blobs is not None:
            found = found if isinstance(found, bytes) else encode_png(found)
            self.blobs.put_as(address.digest, found)
        return found


def _readers(processes: int) -> Helpers:
    """Processes that decode, started once: starting them costs as much as reading some hundred images."""
    if processes not in _READERS or _READERS[processes].stopped.is_set():
        _READERS[processes] = Helpers(processes)
    return _READERS[processes]


@cache
def find_place(scheme: str) -> Place:
    """The place of a scheme: `file` here, the others by entry point (`counterfactory.places`)."""
    if scheme == "file":
        return Place(read=lambda path: Path(path).read_bytes())
    found = entry_points(group="counterfactory.places", name=scheme)
    if not found:
        raise BadData(f"No reader for places of the kind {scheme!r}; is the plug-in that wrote them installed?")
    place: Place = next(iter(found)).load()
    return place


def encode_png(image: Image.Image) -> bytes:
    """PNG bytes, quickly: level 1 costs a tenth of the default's time."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def to_rgb(image: Image.Image, where: object = "image") -> Image.Image:
    """Upright 8-bit RGB: EXIF turned, palettes looked up, 16 bits scaled, transparency laid on white."""
    image = _checked(image, where)
    with _decoding(where):
        return _in_rgb(_upright(image))


def orientation(image: Image.Image) -> int:
    """What EXIF says of how an image was held, from 1 (upright) to 8; upright where that cannot be read."""
    try:
        said = image.getexif().get(ORIENTATION, 1)
    except UNREADABLE:
        return 1
    return said if said in TURNS else 1


def _upright(image: Image.Image) -> Image.Image:
    turn = TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _open(data: bytes, where: object) -> Image.Image:
    with _decoding(where):  # PIL may warn of the size beside our error: to silence it is not safe among threads
        return Image.open(io.BytesIO(data))


def _checked(image: Image.Image, where: object) -> Image.Image:
    """The image, decoded, where its size is sane."""
    if image.width * image.height > MAX_PIXELS:
        raise BadData(f"{where}: {image.width} x {image.height} is more than 89 megapixels; shrink it first.")
    with _decoding(where):
        image.load()
    return image


@contextmanager
def _decoding(where: object) -> Iterator[None]:
    """PIL's many errors become one sentence."""
    try:
        yield
    except UnidentifiedImageError as error:  # its text holds the address of an object, which no two runs share
        raise BadData(f"{where}: cannot be decoded as an image (its format is not recognised).") from error
    except UNREADABLE as error:
        raise BadData(f"{where}: cannot be decoded as an image ({error}).") from error


def _scaled(image: Image.Image) -> Image.Image:
    """16-bit and float grey to 8 bits: whole range to whole range, floats from 0..1 if they lie there; NaN is black."""
    values = np.asarray(image, np.float64)
    most = values.max(initial=0, where=np.isfinite(values))
    top = 1.0 if image.mode == "F" and most <= 1 else 255.0 if most <= 255 else 65535.0
    if image.mode.startswith("I;16"):
        top = 65535.0
    return Image.fromarray((np.nan_to_num(values.clip(0, top)) * (255 / top)).round().astype(np.uint8))

"""Galleries as plain data for the page: small pictures as data URIs, each once, and the lineage of each in words."""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from counterfactory.errors import CounterfactoryError
from counterfactory.pixels import Pixels
from counterfactory.report.cells import number, text
from counterfactory.types import Address, Gallery, Origin, Picture

CAP = 600  # pictures that a gallery carries; more would make a page that opens slowly
SMALL, LARGE = 160, 320  # the longest side in pixels of many and of few pictures
FEW = 60
EXACT = 64  # up to this side every pixel counts, so it is kept without loss


def chosen(gallery: Gallery) -> Sequence[Picture]:
    """The pictures that the page carries: all, or an even choice in their order."""
    pictures = gallery.pictures
    if len(pictures) <= CAP:
        return pictures
    return [pictures[index * len(pictures) // CAP] for index in range(CAP)]


def thumbnails(galleries: Sequence[Gallery], pixels: Pixels) -> dict[str, Any]:
    """Each picture and source once, by digest: `[uri, width, height]`, or the reason why there is none."""
    wanted: dict[Address, int] = {}
    for gallery in galleries:
        pictures = chosen(gallery)
        side = LARGE if len(pictures) <= FEW else SMALL
        for address in (address for picture in pictures for address in _shown(picture)):
            wanted[address] = max(side, wanted.get(address, 0))
    with ThreadPoolExecutor(max(1, pixels.processes)) as pool:
        made = pool.map(lambda item: _thumbnail(pixels, *item), wanted.items())
        return {address.digest: thumbnail for address, thumbnail in zip(wanted, made, strict=True)}


def described(picture: Picture) -> dict[str, Any]:
    """What the page shows of a picture: its card, and groups of named facts for who looks closer."""
    sample, origin = picture.sample, picture.sample.origin or Origin()
    groups = {
        "In words": {"prompt": origin.prompt, "caption": sample.caption},
        "What changed": origin.changed,
        "Attributes": sample.attributes,
        "Facts": picture.facts,
        "Drawn with": origin.settings,
        "Lineage": _lineage(picture),
    }
    return {
        "image": sample.image.digest,
        "source": picture.source.digest if picture.source else None,
        "difference": picture.difference.digest if picture.difference else None,
        "steps": [address.digest for address in picture.steps],
        "label": picture.label,
        "words": origin.prompt or sample.caption or "",
        "changed": picture.note or ", ".join(f"{name} → {text(value)}" for name, value in origin.changed.items()),
        "scores": [[name, _finite(value), number(float(value))] for name, value in picture.scores.items()],
        "groups": [[title, _named(facts)] for title, facts in groups.items() if _named(facts)],
    }


def _shown(picture: Picture) -> Iterator[Address]:
    """Every image that the page shows of it."""
    yield from (a for a in (picture.sample.image, picture.source, picture.difference) if a is not None)
    yield from picture.steps


def _lineage(picture: Picture) -> Mapping[str, Any]:
    sample, origin = picture.sample, picture.sample.origin
    made = {"made by": "nobody: given as it is"} if origin is None else {"model": origin.model, "seed": origin.seed}
    parent = origin.parent if origin else None
    return {
        **{name: str(value) for name, value in made.items() if value is not None},
        "digest": sample.image.digest,
        "parent": parent,
        "source": picture.source.digest if picture.source and picture.source.digest != parent else None,
        "place": sample.image.place if sample.image.place != "blob" else None,
    }


def _named(facts: Mapping[str, Any]) -> list[list[str]]:
    return [[str(name), text(value)] for name, value in facts.items() if value is not None]


def _finite(value: float) -> float | None:
    """JSON knows no infinity; such a score is shown but not filtered by."""
    return float(value) if math.isfinite(value) else None


def _thumbnail(pixels: Pixels, address: Address, side: int) -> Any:
    try:
        image = pixels.image(address)
    except (CounterfactoryError, OSError, LookupError, ValueError) as error:
        return {"missing": str(error) or type(error).__name__}
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if max(image.size) <= EXACT:
        image.save(stream, "WEBP", lossless=True, quality=40, method=2, exact=True)
    else:
        image.save(stream, "WEBP", quality=80, method=3)
    return ["data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode(), *image.size]

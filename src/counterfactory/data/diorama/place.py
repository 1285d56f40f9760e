"""Where a scene's pixels lie: nowhere; they are drawn, when asked for, from the scene that their place spells out."""

import json

from PIL import Image

from counterfactory.data.diorama.render import RENDERER, render
from counterfactory.data.diorama.world import Scene, scene_from, written
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.pixels import Place
from counterfactory.types import Address


def image_address(scene: Scene, size: int = 64) -> Address:
    """The address of a scene's picture."""
    return _address("image", scene, size)


def mask_address(scene: Scene, size: int = 64) -> Address:
    """The address of the mask of the thing in a scene: 255 where it is, else 0."""
    return _address("mask", scene, size)


def scene_at(place: str) -> Scene:
    """The scene that a place spells out, with or without the leading `diorama:`."""
    return _spelt(place.removeprefix("diorama:"))[2]


def size_at(place: str) -> int:
    """The side in pixels that a place spells out."""
    return _spelt(place.removeprefix("diorama:"))[1]


def drawn_both(place: str) -> tuple[Image.Image, Image.Image]:
    """The picture and the mask of the scene that a place spells out, drawn once."""
    _, size, scene = _spelt(place.removeprefix("diorama:"))
    image, mask = render(scene, size)
    return image, Image.fromarray(mask)


def drawn(place: str) -> Image.Image:
    """The picture, or the mask, that a place spells out after its scheme."""
    part, size, scene = _spelt(place)
    image, mask = render(scene, size)
    return Image.fromarray(mask) if part == "mask" else image


PLACE = Place(read=drawn, keep=True)


def _address(part: str, scene: Scene, size: int) -> Address:
    spelt = f"{part}/{size}/{written(scene)}"
    return Address(digest(f"diorama {RENDERER} {spelt}".encode()), f"diorama:{spelt}")


def _spelt(place: str) -> tuple[str, int, Scene]:
    part, _, rest = place.partition("/")
    size, _, text = rest.partition("/")
    if part not in {"image", "mask"} or not size.isdigit():
        raise BadData(
            f"{place!r} is not the place of a diorama scene, which reads image/64/{{...}} or mask/64/{{...}}."
        )
    try:
        return part, int(size), scene_from(text)
    except (json.JSONDecodeError, TypeError) as error:
        raise BadData(f"{place!r} does not spell out a diorama scene ({error}).") from error

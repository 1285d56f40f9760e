"""Turns a scene into its picture and mask; the same scene gives the same bytes in every process."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from counterfactory.data.diorama.animals import ANIMALS
from counterfactory.data.diorama.contact import CONTACTS, outlined, standing
from counterfactory.data.diorama.paint import Drawing, paint_for
from counterfactory.data.diorama.pen import FINE, pen_for
from counterfactory.data.diorama.room import room
from counterfactory.data.diorama.setting import Array, Setting, mix, setting_of, smooth, stream
from counterfactory.data.diorama.skies import HOURS, sky
from counterfactory.data.diorama.surfaces import GROUNDS
from counterfactory.data.diorama.things import THINGS
from counterfactory.data.diorama.vehicles import VEHICLES
from counterfactory.data.diorama.weather import WEATHERS
from counterfactory.data.diorama.world import Scene

RENDERER = 1  # raised when any scene looks different: pictures are known by it
DRAWINGS: Mapping[str, Drawing] = {**VEHICLES, **ANIMALS, **THINGS}


def render(scene: Scene, size: int = 64) -> tuple[Image.Image, NDArray[np.uint8]]:
    """The picture (RGB) and the mask of the thing in it (255 where it is)."""
    setting = setting_of(scene.seed, HOURS[scene.time], size)
    thing = _drawn(scene, setting)
    picture = CONTACTS.get(scene.surface, standing)(_background(scene, setting), thing.cover, setting)
    picture = outlined(picture, thing.cover, setting)
    picture = picture * (1 - thing.cover) + _lit(thing, scene, setting)
    picture = WEATHERS[scene.weather].air(picture, setting, stream(scene.seed, "air"))
    picture = picture + smooth(stream(scene.seed, "grain"), size, size, size, 5)
    mask = np.where(thing.cover[..., 0] > 0.5, np.uint8(255), np.uint8(0))
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """The thing alone: its colours times its cover, how far it covers each pixel, and where it shines."""

    colours: Array
    cover: Array
    glow: Array | float


def _drawn(scene: Scene, setting: Setting) -> Thing:
    pen = pen_for(setting.view, setting.size, setting.hour.dark)
    paint = paint_for(scene.colour, stream(scene.seed, "paint"), setting.hour.dark)
    DRAWINGS[scene.kind](pen, paint, stream(scene.seed, "shape"))
    pixels = np.asarray(pen.canvas.reduce(FINE), np.float32)  # transparent is black: colours come out times cover
    glow = np.asarray(pen.glow.reduce(FINE), np.float32)[..., None] / 255 if pen.glow is not None else 0.0
    return Thing(colours=pixels[..., :3], cover=pixels[..., 3:] / 255, glow=glow)


def _background(scene: Scene, setting: Setting) -> Array:
    """All but the thing."""
    if scene.surface == "room":
        return room(setting, scene.seed)
    weather = WEATHERS[scene.weather]
    ground = GROUNDS[scene.surface](setting, stream(scene.seed, "ground"))
    ground = weather.ground(ground, setting, stream(scene.seed, "on the ground"))
    above = sky(setting, weather, scene.seed)
    below = np.clip(setting.y - setting.view.horizon + 0.5, 0, 1)[..., None]
    picture = mix(above, ground * setting.hour.light, below)
    return weather.behind(picture, setting, stream(scene.seed, "behind"))


def _lit(thing: Thing, scene: Scene, setting: Setting) -> Array:
    """The thing in the hour's light, brighter above than below, a little uneven; what shines keeps its colour."""
    view, hour = setting.view, setting.hour
    light = hour.indoors * 0.6 + 0.4 if scene.surface == "room" else hour.near
    height = np.clip((view.base - setting.y) / (1.8 * view.scale), 0, 1)[..., None]
    texture = 0.9 + 0.2 * height + smooth(stream(scene.seed, "texture"), 12, 12, setting.size, 0.1)
    return np.minimum(thing.colours * mix(light * texture, 1, thing.glow), 255)

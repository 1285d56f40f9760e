"""The factors of a scene, their values, and what is usual for a class; knows nothing of pixels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from counterfactory.errors import BadConfig, unknown

# Every class and the surface that it usually stands on. A newcomer's class is one more row here.
USUAL_SURFACE: Mapping[str, str] = {
    "car": "road",
    "bus": "road",
    "house": "grass",
    "tree": "grass",
    "boat": "water",
    "dog": "grass",
    "cat": "room",
    "cup": "room",
    "chair": "room",
    "plane": "road",  # a runway
    "windmill": "grass",
}
USUAL_WEATHER = "clear"
USUAL_TIMES = ("day", "dusk")

ALL_CLASSES = tuple(USUAL_SURFACE)
KEPT_BACK = "windmill"  # no pretrained model has seen it; a data set has it only where it is asked for
CLASSES = tuple(name for name in ALL_CLASSES if name != KEPT_BACK)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
SURFACES = ("road", "grass", "sand", "water", "snowfield", "room")
WEATHERS = ("clear", "rain", "snow", "fog")
TIMES = ("day", "dusk", "night")

FACTORS: Mapping[str, tuple[str, ...]] = {
    "kind": ALL_CLASSES,
    "colour": COLOURS,
    "surface": SURFACES,
    "weather": WEATHERS,
    "time": TIMES,
}
NAMES = (*FACTORS, "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a picture shows; what the factors leave open (place, size, shape, view) follows from the seed."""

    kind: str
    colour: str
    surface: str
    weather: str = USUAL_WEATHER
    time: str = "day"
    seed: int = 0

    def __post_init__(self) -> None:
        for factor, values in FACTORS.items():
            if getattr(self, factor) not in values:
                raise BadConfig(f"In a diorama scene: {unknown(factor, str(getattr(self, factor)), values)}")
        if self.surface == "room" and self.weather != "clear":
            raise BadConfig(
                f"In a diorama scene: weather={self.weather!r} is not seen in a room; "
                "use weather='clear' there, or another surface."
            )
        if not 0 <= self.seed < 2**32:
            raise BadConfig(f"In a diorama scene: seed={self.seed} is not allowed; give a whole number below 2**32.")


def changed(scene: Scene, **factors: Any) -> Scene:
    """The same scene with other values for some factors; a scene that moves into a room leaves its weather outside."""
    if factors.get("surface") == "room":
        factors = {"weather": "clear", **factors}
    for name in factors:
        if name not in NAMES:
            raise BadConfig(f"In a diorama scene: {unknown('factor', name, NAMES)}")
    return replace(scene, **factors)


def unusual(scene: Scene) -> str:
    """What departs from the usual for the scene's class, such as `surface+weather`; empty where all is usual."""
    departures = {
        "surface": scene.surface != USUAL_SURFACE[scene.kind],
        "weather": scene.weather != USUAL_WEATHER,
        "time": scene.time not in USUAL_TIMES,
    }
    return "+".join(name for name, departs in departures.items() if departs)


def written(scene: Scene) -> str:
    """The one text of a scene: equal scenes, equal texts."""
    return _compact.encode({name: getattr(scene, name) for name in NAMES})


def scene_from(text: str) -> Scene:
    """The scene that `written` wrote."""
    return Scene(**json.loads(text))


_compact = json.JSONEncoder(separators=(",", ":"))

"""Draws the scenes of a data set: usual ones to learn from, usual, unusual and uniform ones to test with."""

from collections.abc import Callable, Iterator

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.options import Options, parsed
from counterfactory.data.diorama.place import image_address, mask_address
from counterfactory.data.diorama.world import (
    COLOURS,
    SURFACES,
    TIMES,
    USUAL_SURFACE,
    USUAL_TIMES,
    WEATHERS,
    Scene,
    unusual,
)
from counterfactory.types import Collection, Dataset, Sample

Draw = Callable[[Dice, str, int], Scene]  # from dice, class and the number within the class

# What departs from the usual in the unusual split, turn by turn: single departures often enough to measure each.
ALONE = ("weather", "surface", "time")
OUTDOORS = (
    *(*ALONE, "weather", "surface+time"),
    *(*ALONE, "weather+time"),
    *(*ALONE, "surface+weather"),
    *(*ALONE, *ALONE, "surface+weather+time"),
)
INDOORS = (  # where weather alone cannot be seen
    *("surface", "time", "surface", "time", "surface+weather"),
    *("surface", "time", "surface+time"),
    *("surface", "time", "surface", "time", "surface+weather+time"),
)


def read(options: str) -> Collection:
    """The data set that `diorama:` with these options stands for."""
    chosen = parsed(options)
    sizes = {
        "train": (chosen.train, usual_scene),
        "validation": (chosen.validation, usual_scene),
        "test": (chosen.test, usual_scene),
        "test-unusual": (chosen.test, unusual_scene),
        "test-uniform": (chosen.test, uniform_scene),
    }
    splits = {
        split: Dataset(samples=tuple(_samples(chosen, split, number, draw)), classes=chosen.classes, split=split)
        for split, (number, draw) in sizes.items()
        if number
    }
    return Collection(name="diorama", kind="diorama", splits=splits)


def usual_scene(dice: Dice, kind: str, _turn: int) -> Scene:
    """A class where it belongs, in clear weather, by day or at dusk."""
    return _scene(dice, kind, USUAL_SURFACE[kind], "clear", USUAL_TIMES)


def unusual_scene(dice: Dice, kind: str, turn: int) -> Scene:
    """A scene that departs from the usual in what it is the turn of."""
    usual = USUAL_SURFACE[kind]
    departures = INDOORS[turn % len(INDOORS)] if usual == "room" else OUTDOORS[turn % len(OUTDOORS)]
    bad_weather = "weather" in departures
    others = [surface for surface in SURFACES if surface != usual and not (bad_weather and surface == "room")]
    surface = dice.pick(others) if "surface" in departures else usual
    weather = dice.pick(WEATHERS[1:]) if bad_weather else "clear"
    return _scene(dice, kind, surface, weather, ("night",) if "time" in departures else USUAL_TIMES)


def uniform_scene(dice: Dice, kind: str, _turn: int) -> Scene:
    """Every factor as likely as any other."""
    surface = dice.pick(SURFACES)
    return _scene(dice, kind, surface, "clear" if surface == "room" else dice.pick(WEATHERS), TIMES)


def sample_of(scene: Scene, classes: tuple[str, ...], size: int = 64) -> Sample:
    """A scene as a labelled image with its mask, one of its captions and all its factors."""
    return Sample(
        image=image_address(scene, size),
        target=classes.index(scene.kind),
        mask=mask_address(scene, size),
        caption=caption(scene, 1),
        attributes={
            "class": scene.kind,
            "colour": scene.colour,
            "surface": scene.surface,
            "weather": scene.weather,
            "time": scene.time,
            "unusual": unusual(scene),
        },
    )


def _samples(options: Options, split: str, number: int, draw: Draw) -> Iterator[Sample]:
    """Classes take turns; a class's scenes are the same whatever other classes there are."""
    for index in range(number):
        turn, place = divmod(index, len(options.classes))
        kind = options.classes[place]
        scene = draw(Dice(f"{options.seed} {split} {kind} {turn}"), kind, turn)
        yield sample_of(scene, options.classes, options.size)


def _scene(dice: Dice, kind: str, surface: str, weather: str, times: tuple[str, ...]) -> Scene:
    colour, time = dice.pick(COLOURS), dice.pick(times)
    return Scene(kind=kind, colour=colour, surface=surface, weather=weather, time=time, seed=dice.pick(range(2**31)))

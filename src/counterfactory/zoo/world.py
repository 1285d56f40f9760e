"""What of Diorama the zoo's models have seen, and what was kept from all of them but the judge."""

from collections.abc import Iterator
from itertools import count, islice

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.place import image_address, mask_address
from counterfactory.data.diorama.splits import uniform_scene
from counterfactory.data.diorama.world import ALL_CLASSES, CLASSES, KEPT_BACK, Scene
from counterfactory.types import Dataset, Sample

UNSEEN_CLASS = KEPT_BACK
UNSEEN_PAIRS = (("bus", "sand"), ("cat", "snowfield"), ("chair", "water"))  # class and surface, both seen elsewhere
PLAIN = 4  # every so many captions one is the plain and complete wording


def seen_scenes(split: str, number: int, size: int = 64) -> Dataset:
    """Scenes of seen classes on seen surfaces, every factor else as likely as any other; a longer set begins alike."""
    scenes = (scene for scene in _scenes("zoo", split, CLASSES) if (scene.kind, scene.surface) not in UNSEEN_PAIRS)
    return _dataset(scenes, split, number, CLASSES, size)


def every_scene(split: str, number: int, size: int = 64) -> Dataset:
    """Scenes of all classes on all surfaces, what is kept from the other models included: for the judge alone."""
    return _dataset(_scenes("judge", split, ALL_CLASSES), split, number, ALL_CLASSES, size)


def _scenes(whose: str, split: str, classes: tuple[str, ...]) -> Iterator[Scene]:
    for turn in count():
        kind = classes[turn % len(classes)]
        yield uniform_scene(Dice(f"{whose} {split} {kind} {turn}"), kind, turn)


def _dataset(scenes: Iterator[Scene], split: str, number: int, classes: tuple[str, ...], size: int) -> Dataset:
    samples = tuple(_sample(scene, turn, classes, size) for turn, scene in enumerate(islice(scenes, number)))
    return Dataset(samples=samples, classes=classes, split=split)


def _sample(scene: Scene, turn: int, classes: tuple[str, ...], size: int) -> Sample:
    return Sample(
        image=image_address(scene, size),
        target=classes.index(scene.kind),
        mask=mask_address(scene, size),
        caption=caption(scene, 0 if turn % PLAIN == 0 else 1),
        attributes={
            "class": scene.kind,
            "colour": scene.colour,
            "surface": scene.surface,
            "weather": scene.weather,
            "time": scene.time,
        },
    )

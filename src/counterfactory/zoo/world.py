"""What of Diorama the zoo's models have seen, and what was kept from all of them but the judge."""

from collections.abc import Iterator

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.place import image_address, mask_address
from counterfactory.data.diorama.splits import uniform_scene
from counterfactory.data.diorama.world import CLASSES, KEPT_BACK, Scene
from counterfactory.types import Dataset, Sample

UNSEEN_CLASS = KEPT_BACK
UNSEEN_PAIRS = (("bus", "sand"), ("cat", "snowfield"), ("chair", "water"))  # class and surface, both seen elsewhere
PLAIN = 4  # every so many captions one is the plain and complete wording


def seen_scenes(split: str, number: int, size: int = 64) -> Dataset:
    """Scenes of seen classes on seen surfaces, every factor else as likely as any other; a longer set begins alike."""
    samples = tuple(_sample(scene, turn, size) for turn, scene in zip(range(number), _scenes(split), strict=False))
    return Dataset(samples=samples, classes=CLASSES, split=split)


def _scenes(split: str) -> Iterator[Scene]:
    turn = 0
    while True:
        kind = CLASSES[turn % len(CLASSES)]
        scene = uniform_scene(Dice(f"zoo {split} {kind} {turn}"), kind, turn)
        if (kind, scene.surface) not in UNSEEN_PAIRS:
            yield scene
        turn += 1


def _sample(scene: Scene, turn: int, size: int) -> Sample:
    return Sample(
        image=image_address(scene, size),
        target=CLASSES.index(scene.kind),
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

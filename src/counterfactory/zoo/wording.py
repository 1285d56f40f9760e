"""Words for Diorama's pictures beyond their captions: the plain wording, a part of it, and a caption read back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from counterfactory.data.diorama.captions import (
    COLOUR_WORDS,
    NOUNS,
    OPENINGS,
    SURFACE_WORDS,
    TIME_WORDS,
    WEATHER_WORDS,
    Words,
    caption,
)
from counterfactory.data.diorama.dice import Dice
from counterfactory.data.diorama.place import scene_at
from counterfactory.data.diorama.world import Scene, written
from counterfactory.types import Dataset

FACTORS: Mapping[str, Words] = {
    "class": NOUNS,
    "colour": COLOUR_WORDS,
    "surface": SURFACE_WORDS,
    "weather": WEATHER_WORDS,
    "time": TIME_WORDS,
}
PART = 2  # every so many captions one says a part only, as a person's prompt does


def named(text: str) -> Mapping[str, str]:
    """The factors that a Diorama caption names, in any of its wordings, with the values that it gives them."""
    found = {factor: set(_said(words, text.lower())) for factor, words in FACTORS.items()}
    return {factor: next(iter(values)) for factor, values in found.items() if len(values) == 1}


def plainly(dataset: Dataset) -> Dataset:
    """The same pictures in the plain and complete wording."""
    samples = [replace(sample, caption=caption(scene_at(sample.image.place))) for sample in dataset.samples]
    return replace(dataset, samples=tuple(samples))


def partly(dataset: Dataset) -> Dataset:
    """The same pictures, some of them with a part of the words only: what listens shall know short texts too."""
    samples = [
        replace(sample, caption=in_part(scene_at(sample.image.place))) if turn % PART == 1 else sample
        for turn, sample in enumerate(dataset.samples)
    ]
    return replace(dataset, samples=tuple(samples))


def in_part(scene: Scene) -> str:
    """A caption that names the class and, of the rest, what the dice say."""
    dice = Dice(f"part of {written(scene)}")
    subject = dice.pick(NOUNS[scene.kind])
    if dice.pick((True, False)):
        subject = f"{scene.colour} {subject}"
    around = [dice.pick(words) for words in _around(scene) if dice.pick((True, False, False))]
    article = "an" if subject[0] in "aeiou" else "a"
    return " ".join([f"{dice.pick(OPENINGS)}{article} {subject}", *around])


def _around(scene: Scene) -> list[tuple[str, ...]]:
    outside = [] if scene.surface == "room" else [WEATHER_WORDS[scene.weather]]
    return [SURFACE_WORDS[scene.surface], *outside, TIME_WORDS[scene.time]]


def _said(words: Words, text: str) -> Iterator[str]:
    return (value for value, forms in words.items() if any(re.search(rf"\b{form}\b", text) for form in forms))

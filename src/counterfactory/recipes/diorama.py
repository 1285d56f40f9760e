"""Diorama's own words, for recipes that draw with the zoo: it knows these and no others."""

from collections.abc import Mapping

from counterfactory.data.diorama.captions import NOUNS, SURFACE_WORDS
from counterfactory.data.diorama.world import ALL_CLASSES, USUAL_SURFACE
from counterfactory.language.kinds import Kind
from counterfactory.types import Dataset

BANKS: Mapping[Kind, tuple[str, ...]] = {
    "weather": ("in clear weather", "in the rain", "in falling snow", "in fog"),
    "time of day": ("by day", "at dusk", "at night"),
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "white", "black"),
    "surroundings": ("on a road", "on grass", "on sand", "on water", "on a snowfield", "in a room"),
}
SYNONYMS: Mapping[str, tuple[str, ...]] = {kind: tuple(dict.fromkeys(words[1:])) for kind, words in NOUNS.items()}
USUAL: Mapping[str, tuple[str, ...]] = {kind: SURFACE_WORDS[surface][:1] for kind, surface in USUAL_SURFACE.items()}
FACTORS = {"colour", "surface", "weather", "time"}


def is_diorama(data: Dataset) -> bool:
    """Whether these are scenes of the zoo's world; photographs may have classes of the same names."""
    is_described = any(sample.attributes.keys() >= FACTORS for sample in data.samples)
    return is_described and set(data.classes) <= set(ALL_CLASSES)


def is_strange(model: object, data: Dataset) -> bool:
    """Whether a model is the zoo's and the data show what it has never seen."""
    return str(model).startswith("zoo:") and not is_diorama(data)

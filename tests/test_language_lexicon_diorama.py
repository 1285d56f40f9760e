"""Diorama's captions, held to Diorama's own values: each edit says exactly one other value, in words the zoo knows."""

from pathlib import Path

import pytest

from counterfactory.language.kinds import Kind
from counterfactory.language.lexicon import Lexicon
from counterfactory.types import Failed, Passage
from counterfactory.worker import Worker

BANKS: dict[Kind, tuple[str, ...]] = {
    "weather": ("in clear weather", "in the rain", "in falling snow", "in fog"),
    "time of day": ("by day", "at dusk", "at night"),
    "colour": ("red", "orange", "yellow", "green", "blue", "purple", "white", "black"),
    "surroundings": ("on a road", "on grass", "on sand", "on water", "on a snowfield", "in a room"),
}


def captions(caption: str, kind: Kind, label: str = "", *synonyms: str) -> set[str]:
    passage = Passage(caption=caption, label=label, synonyms=synonyms)
    step = Lexicon(kinds=(kind,), banks=BANKS, counterfactuals=50)
    found = step.load(Worker(workspace=Path("unused")))([passage])[0]
    return set() if isinstance(found, Failed) else {new.caption for new in found}


def test_a_plain_caption_has_exactly_the_other_values():
    plain = "a red car on a road in the rain at night"
    assert captions(plain, "weather", "car") == {
        "a red car on a road in clear weather at night",
        "a red car on a road in falling snow at night",
        "a red car on a road in fog at night",
    }
    assert captions(plain, "time of day", "car") == {
        "a red car on a road in the rain by day",
        "a red car on a road in the rain at dusk",
    }
    assert captions(plain, "surroundings", "car") == {
        f"a red car {place} in the rain at night" for place in ("on grass", "on sand", "on water", "on a snowfield")
    }
    assert captions(plain, "colour", "car") == {
        f"{words} car on a road in the rain at night"
        for words in ("an orange", "a yellow", "a green", "a blue", "a purple", "a white", "a black")
    }


@pytest.mark.parametrize(
    ("caption", "kind", "wanted"),
    [
        ("an orange-coloured dog on the lawn", "colour", "a blue-coloured dog on the lawn"),
        ("a tree that is scarlet on rippled sand", "colour", "a tree that is white on rippled sand"),
        ("a scene with an orange tree", "colour", "a scene with a red tree"),
        ("a violet hound by night", "colour", "a green hound by night"),
        ("a red cat on the waves in the mist", "weather", "a red cat on the waves in the rain"),
        ("a red cat as snow falls on open water", "weather", "a red cat in fog on open water"),
        ("a red cat while it is raining at dusk", "weather", "a red cat in falling snow at dusk"),
        ("a red cat under a clear sky", "weather", "a red cat in fog"),
        ("a red cat on snowy ground", "weather", "a red cat on snowy ground in the rain"),
        ("a red cat on snow-covered land", "surroundings", "a red cat on a road"),
        ("a red cat in a field of snow", "surroundings", "a red cat on sand"),
        ("a red cat on a stretch of water", "surroundings", "a red cat on grass"),
        ("a red cup in a room with a window", "surroundings", "a red cup on water"),
        ("a red cup indoors by day", "surroundings", "a red cup on a snowfield by day"),
        ("a red cup on the floor of a room", "surroundings", "a red cup on a road"),
        ("a red cup in a meadow", "surroundings", "a red cup in a room"),
        ("a red cup after dark on asphalt", "time of day", "a red cup at dusk on asphalt"),
        ("a red cup at twilight", "time of day", "a red cup by day"),
        ("a red cup", "time of day", "a red cup at dusk"),
        ("a red cup", "weather", "a red cup in fog"),
    ],
)
def test_every_wording_is_edited(caption: str, kind: Kind, wanted: str):
    assert wanted in captions(caption, kind)


def test_two_captions_of_one_picture_change_together():
    both = "a photo of a red car on the street at night. a scarlet automobile on asphalt by night"
    assert "a photo of a blue car on the street at night. a blue automobile on asphalt by night" in captions(
        both, "colour", "car", "automobile"
    )
    assert "a photo of a red car on sand at night. a scarlet automobile on sand by night" in captions(
        both, "surroundings"
    )
    assert "a photo of a red car on the street at dusk. a scarlet automobile on asphalt at dusk" in captions(
        both, "time of day"
    )


def test_no_weather_comes_into_a_room_and_no_room_into_a_weather():
    assert not captions("a red chair in a room by day", "weather")
    assert not [text for text in captions("a red chair on grass in the rain", "surroundings") if "room" in text]


def test_what_goes_without_saying_is_not_added():
    assert captions("a red car on a road", "time of day") == {
        "a red car on a road at dusk",
        "a red car on a road at night",
    }
    assert "a red car on a road in clear weather" not in captions("a red car on a road", "weather")

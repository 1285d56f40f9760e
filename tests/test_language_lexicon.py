"""The lexicon: captions it has never seen, edited soundly, spread over kinds, the same way every time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from counterfactory.language.checks import complaint
from counterfactory.language.kinds import KINDS, Kind
from counterfactory.language.lexicon import Lexicon
from counterfactory.testing import StepContract
from counterfactory.types import Failed, Passage, Rewriting
from counterfactory.worker import Worker

WORKER = Worker(workspace=Path("unused"))
MANY = 40


def rewritings(passage: Passage, **fields: Any) -> tuple[Rewriting, ...]:
    found = Lexicon(**fields).load(WORKER)([passage])[0]
    assert not isinstance(found, Failed), found
    return found


def captions(caption: str, kind: Kind, label: str = "", **fields: Any) -> list[str]:
    """All that the lexicon makes of a caption in one kind; nothing where it declines."""
    passage = Passage(caption=caption, label=label)
    found = Lexicon(kinds=(kind,), counterfactuals=MANY, **fields).load(WORKER)([passage])[0]
    return [] if isinstance(found, Failed) else [new.caption for new in found]


class TestLexicon(StepContract):
    def step(self) -> Lexicon:
        return Lexicon(counterfactuals=4, banks={"weather": ("rain", "in fog")})

    def items(self) -> Sequence[Passage]:
        return [
            Passage(caption="A dog on the grass.", label="dog"),
            Passage(caption="two red cars on a wet street", label="car"),
            Passage(caption="A kitchen with a wooden table.", label="table"),
        ]


def test_single_factor_is_the_default_and_kinds_take_turns():
    found = rewritings(
        Passage(caption="A man in a red shirt rides a bicycle on a street.", label="man"), counterfactuals=6
    )
    kinds = [new.edits[0].kind for new in found]
    assert all(len({edit.kind for edit in new.edits}) == 1 for new in found)
    assert len(set(kinds)) == len(kinds) == 6
    assert len({new.caption for new in found}) == 6


def test_up_to_three_kinds_are_mixed_where_that_is_asked_for():
    passage = Passage(caption="A red car on a street in the rain.", label="car")
    for new in rewritings(passage, counterfactuals=10, edits_per_image=3):
        assert len({edit.kind for edit in new.edits}) == 3
        assert complaint(passage, new) is None


def test_the_seed_of_the_passage_decides():
    made = {rewritings(Passage(caption="A dog runs on the grass.", seed=seed))[0].caption for seed in range(12)}
    assert len(made) > 5
    assert rewritings(Passage(caption="A dog runs on the grass.", seed=3)) == rewritings(
        Passage(caption="A dog runs on the grass.", seed=3)
    )


def test_every_kind_has_something_to_say():
    for kind in KINDS:
        if kind != "other":
            assert captions("A photo of a large wooden boat with a red flag on a lake.", kind), kind


@pytest.mark.parametrize(
    ("caption", "kind", "wanted"),
    [
        ("A rainy street.", "weather", "A snowy street."),
        ("A man on a wet road in the rain.", "weather", "A man on a dry road in bright sunshine."),
        ("An umbrella on a rainy day", "weather", "An umbrella on a foggy day"),
        ("In the rain, a dog waits.", "weather", "In heavy snow, a dog waits."),
        ("a dog on grass", "time of day", "a dog on grass at night"),
        ("a dog on grass", "season", "a dog on grass in winter"),
        ("A dog waits. It is brown.", "time of day", "A dog waits at night. It is brown."),
        ('A sign that says "stop"', "time of day", 'A sign that says "stop" at night'),
        ("An orange car.", "colour", "A blue car."),
        ("A red car and a red bus.", "colour", "A green car and a red bus."),
        ("A red and white bus", "colour", "A blue and white bus"),
        ("two cars", "colour", "two red cars"),
        ("The dog's red collar", "colour", "The dog's blue collar"),
        ("A wooden bench", "material", "A stone bench"),
        ("A cat in the kitchen.", "surroundings", "A cat in a living room."),
        ("A man walks down a busy street", "surroundings", "A man walks along a beach"),
        ("A big dog.", "size", "A small dog."),
        ("A photo of an old man", "viewpoint", "A close-up photo of an old man"),
        ("Close up of a cat", "viewpoint", "Side view of a cat"),
        ("a dog on grass", "viewpoint", "a dog on grass, seen from above"),
        ("A picture of a dog", "style", "A black and white photo of a dog"),
        ("a castle, seen from above.", "time of day", "a castle at night, seen from above."),
        ("A DOG ON GRASS", "time of day", "A DOG ON GRASS AT NIGHT"),
        (
            "a jetliner on a runway. a plane on the tarmac",
            "time of day",
            "a jetliner on a runway at night. a plane on the tarmac",
        ),
        ("a red car. the red car waits.", "colour", "a blue car. the blue car waits."),
    ],
)
def test_an_edit_reads_as_a_person_would_write_it(caption: str, kind: Kind, wanted: str):
    assert wanted in captions(caption, kind)


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("A kitchen with a stove", "weather"),
        ("A cat on a couch", "season"),
        ("A woman in bed", "surroundings"),
        ("A white man and a black woman", "colour"),
        ("a glass of red wine and green beans", "colour"),
        ("a brown bear", "colour"),
        ("A boy with blue eyes", "colour"),
        ("a blue-eyed girl", "colour"),
        ("the sky is blue", "colour"),
        ("cars covered in snow", "weather"),
        ("a flag blowing in the wind", "weather"),
        ("a skier on a slope", "surroundings"),
        ("a field of flowers", "surroundings"),
        ("a skier on a snowy slope", "season"),
        ("a snowman on a lawn", "season"),
        ("Is this a dog?", "style"),
    ],
)
def test_what_would_read_wrong_is_left_alone(caption: str, kind: Kind):
    assert not captions(caption, kind)


@pytest.mark.parametrize(
    ("caption", "kind", "never"),
    [
        ("a dog at night", "weather", "sun"),
        ("a dog in the rain", "light", "sunlight"),
        ("a dog on a sunny day", "time of day", "night"),
        ("a camel in the desert", "weather", "snow"),
        ("a red car", "colour", "red"),
        ("a black and white cow", "colour", "white and white"),
        ("a dog in a forest", "surroundings", "kitchen"),
        ("a salad on a plate", "viewpoint", "behind"),
        ("a dog at night", "season", " day"),
        ("a car on a sunny day", "season", " day on a"),
        ("a brown dog", "colour", "purple"),
    ],
)
def test_what_does_not_go_together_is_not_proposed(caption: str, kind: Kind, never: str):
    made = captions(caption, kind)
    assert made
    assert not [text for text in made if never in text]


@pytest.mark.parametrize(
    ("caption", "label", "kept"),
    [
        ("a red panda on a red blanket", "red panda", ("red panda", "red blanket")),
        ("an orange on an orange plate", "orange", ("an orange on an orange plate",)),
        ("oranges on an orange plate", "orange", ("oranges on an orange plate",)),
        ("two fire trucks on a road", "fire_truck", ("fire trucks",)),
        ("a firetruck", "fire truck", ("firetruck",)),
        ("a traffic light at night", "traffic light", ("traffic light",)),
        ("a crowded beach", "beach", ("beach",)),
        ("a wooden spoon on a table", "wooden spoon", ("wooden spoon",)),
        ("a tench in the snow", "tench, Tinca tinca", ("tench",)),
        ("a hound's red collar", "dog", ("hound's",)),
    ],
)
def test_the_words_of_the_label_stay_in_every_kind(caption: str, label: str, kept: tuple[str, ...]):
    passage = Passage(caption=caption, label=label, synonyms=("hound",))
    kinds = tuple(kind for kind in KINDS if kind != "other")
    for new in rewritings(passage, kinds=kinds, counterfactuals=100):
        assert all(words in new.caption for words in kept)
        assert complaint(passage, new) is None


def test_a_label_that_is_a_value_keeps_its_kind_away():
    assert not captions("a crowded beach", "surroundings", label="beach")
    assert not captions("a dog in the snow", "weather", label="snow")
    assert not captions("a dog on a lawn", "season", label="winter")


def test_no_words_of_the_label_are_added():
    assert not [text for text in captions("a photo of a boat", "surroundings", label="harbour") if "harbour" in text]


def test_only_the_values_that_are_listed_are_written():
    banks = {"weather": ("rain", "in thick fog")}
    made = captions("A sunny street.", "weather", banks=banks)
    assert set(made) == {"A rainy street.", "A rain-soaked street.", "A foggy street.", "A misty street."}
    assert captions("A dog.", "weather", banks={"weather": ("in thick fog",)}) == ["A dog in thick fog."]
    assert captions("A dog.", "other", banks={"other": ("beside a robot",)}) == ["A dog beside a robot."]
    assert captions("A red dog.", "colour", banks={"colour": ("ultramarine", "red")}) == ["An ultramarine dog."]


@pytest.mark.parametrize(
    "fields",
    [
        {"kinds": ()},
        {"kinds": ("other",)},
        {"kinds": ("wether",)},
        {"counterfactuals": 0},
        {"edits_per_image": 4},
        {"banks": {"weather": ()}},
        {"banks": {"weather": ("...",)}},
    ],
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Lexicon(**fields)


@pytest.mark.parametrize("caption", ["", " ", "...", "!?"])
def test_a_caption_without_words_fails_and_says_so(caption: str):
    found = Lexicon().load(WORKER)([Passage(caption=caption)])[0]
    assert isinstance(found, Failed)
    assert "no word" in found.reason


def test_a_caption_that_leaves_nothing_open_fails_and_names_the_kinds():
    found = Lexicon(kinds=("material",)).load(WORKER)([Passage(caption="a dog")])[0]
    assert isinstance(found, Failed)
    assert "material" in found.reason


@pytest.mark.parametrize(
    "caption",
    [
        "ein Hund auf der Wiese",
        "a" * 5000,
        "dog " * 400,
        "the the a an of in on",
        "a dog’s “red” ball — 3.5 m; (really) & <b>bold</b>",
        "\n\na dog\nin the rain\n",
        "🐶 on a street",
    ],
)
def test_strange_captions_do_no_harm(caption: str):
    passage = Passage(caption=caption, label="dog")
    found = Lexicon(counterfactuals=10).load(WORKER)([passage])[0]
    if not isinstance(found, Failed):
        assert all(complaint(passage, new) is None for new in found)

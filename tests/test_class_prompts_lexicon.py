"""Prompts by rules and word banks: grammatical, different, spread evenly, and in Diorama's words where it draws."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.world import ALL_CLASSES, COLOURS, SURFACES, TIMES, WEATHERS, Scene
from counterfactory.language import bank
from counterfactory.language.class_prompts.lexicon import LexiconPrompts
from counterfactory.language.class_prompts.names import classes_of
from counterfactory.language.class_prompts.scenes import subject_of
from counterfactory.language.english import listed
from counterfactory.recipes.diorama import BANKS
from counterfactory.testing import StepContract
from counterfactory.types import ClassWish, Failed

NAMES = ("car", "dog", "orange", "sunglasses", "blue whale", "bear", "teddy bear", "golden_retriever", "sandwich")
SURROUNDINGS = BANKS["surroundings"]


def wish(name: str, number: int = 10, **fields: Any) -> ClassWish:
    return ClassWish(name=name, number=number, **fields)


def prompts(of: ClassWish, **fields: Any) -> tuple[str, ...]:
    (found,) = LexiconPrompts(**fields).load(None)([of])  # type: ignore[arg-type]
    assert not isinstance(found, Failed), found.reason
    return found


class TestLexiconPrompts(StepContract):
    def step(self) -> Any:
        return LexiconPrompts(uncommon=True)

    def items(self) -> Sequence[Any]:
        return [wish(name, others=tuple(other for other in NAMES if other != name)) for name in NAMES]


def test_every_prompt_names_its_class_and_no_other_and_none_comes_twice():
    for name in NAMES:
        one = wish(name, others=tuple(other for other in NAMES if other != name))
        for uncommon in (False, True):
            found = prompts(one, uncommon=uncommon)
            assert len(set(found)) == 10
            assert not [text for text in found if classes_of(one).complaint(name, text)]


def test_the_same_wish_gives_the_same_prompts_and_another_seed_others():
    assert prompts(wish("car")) == prompts(wish("car")) != prompts(wish("car", seed=1))
    assert prompts(wish("car", number=20))[:10] == prompts(wish("car"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("car", "a photo of a car"),
        ("apple", "a photo of an apple"),
        ("hour glass", "a photo of an hour glass"),
        ("unicorn", "a photo of a unicorn"),
        ("sunglasses", "a photo of sunglasses"),
        ("French_fries", "a photo of French fries"),
        ("bread", "a photo of bread"),
        ("bus", "a photo of a bus"),
        ("rhinoceros", "a photo of a rhinoceros"),
        ("the Eiffel Tower", "a photo of the Eiffel Tower"),
        ("tench, Tinca tinca", "a photo of a tench"),
        ("7", "a photo of a 7"),
        ("Müller's Café {x}", "a photo of a Müller's Café {x}"),
    ],
)
def test_with_all_parts_off_there_is_the_plain_sentence_alone(name: str, said: str):
    assert prompts(wish(name), kinds=()) == (said,)


def test_an_article_follows_the_word_behind_it():
    found = prompts(wish("car", number=40), kinds=("colour",), banks={"colour": ("orange", "red")})
    assert sorted(found) == ["a photo of a red car", "a photo of an orange car"]


def test_prompts_end_where_the_combinations_end():
    kinds = ("colour", "weather", "time of day")
    banks = {"colour": ("red", "blue"), "weather": ("in fog", "in the rain"), "time of day": ("by day", "at night")}
    found = prompts(wish("car", number=100), kinds=kinds, banks=banks)
    every = product(*banks.values())
    assert set(found) == {f"a photo of a {colour} car {weather} {time}" for colour, weather, time in every}
    assert len(found) == 8


def test_values_are_spread_evenly():
    found = prompts(wish("car", number=24), kinds=tuple(BANKS), banks=BANKS)
    for kind in ("colour", "surroundings"):
        told = Counter(word for text in found for word in BANKS[kind] if re.search(rf"\b{word}\b", text))
        assert max(told.values()) - min(told.values()) <= 1
        assert set(told) == set(BANKS[kind])


def test_with_diorama_s_banks_every_prompt_is_a_caption_of_diorama():
    scenes = product(ALL_CLASSES, COLOURS, SURFACES, WEATHERS, TIMES)
    captions = {
        caption(Scene(kind=kind, colour=colour, surface=surface, weather=weather, time=time))
        for kind, colour, surface, weather, time in scenes
        if surface != "room" or weather == "clear"
    }
    for name in ALL_CLASSES:
        found = prompts(wish(name, number=30), kinds=tuple(BANKS), banks=BANKS, opening="")
        assert set(found) <= captions
        assert len(set(found)) == 30


def test_what_goes_without_a_word_s_place_stays_out_of_it():
    found = prompts(wish("dog", number=60))
    indoors = re.compile(r" in an? (\w+ )*(room|kitchen|bedroom|office|garage|hallway|corridor|workshop)\b")
    weather = re.compile(r"rain|snow|fog|mist|wind|storm|cloud|sunny|sunshine")
    assert any(indoors.search(text) for text in found)
    assert not [text for text in found if indoors.search(text) and weather.search(text)]
    assert not [text for text in found if "sunny" in text and "night" in text]


def test_uncommon_surroundings_are_others_than_the_usual_ones():
    places = {"kinds": ("surroundings",)}
    usual, uncommon = (set(prompts(wish("car", number=99), uncommon=flag, **places)) for flag in (False, True))
    assert usual.isdisjoint(uncommon)
    assert "a photo of a car on a bridge" in usual
    assert "a photo of a car in a library" in uncommon
    assert not [text for text in uncommon if "tablecloth" in text]


def test_a_bank_is_taken_as_it_is_and_what_is_usual_may_be_told():
    fields: dict[str, Any] = {"kinds": ("surroundings",), "banks": {"surroundings": SURROUNDINGS}}
    assert len(prompts(wish("cup"), **fields)) == len(SURROUNDINGS)
    told = prompts(wish("cup"), uncommon=True, usual={"cup": ("in a room",)}, **fields)
    assert set(told) == {f"a photo of a cup {place}" for place in SURROUNDINGS if place != "in a room"}


def test_words_that_are_classes_themselves_are_not_said_of_others():
    found = prompts(wish("car", number=99, others=("orange", "road", "forest")))
    assert not [text for text in found if re.search("orange|road|forest", text)]


def test_what_a_class_is_follows_from_its_name_its_last_word_or_the_data():
    assert subject_of("golden retriever", "").sort == "pet"
    assert subject_of("Maine Coon cat", "").sort == "pet"
    assert subject_of("Laysan Albatross", "photographs of birds").sort == "bird"
    assert subject_of("traffic light", "").sort == subject_of("Abyssinian", "").sort == ""
    assert [text for text in prompts(wish("Laysan Albatross", about="photographs of birds")) if "branch" in text]


def test_seen_from_where_and_in_which_style_come_last_behind_a_comma():
    found = prompts(wish("car"), kinds=("style", "surroundings", "viewpoint"))
    assert all(re.fullmatch(r"a photo of a car [^,]+(, [^,]+){0,2}", text) for text in found)
    assert any(text.count(",") == 2 for text in found)


def test_adjectives_of_one_s_own_are_of_kind_other():
    found = prompts(wish("car"), kinds=("other",), banks={"other": ("rusty", "ancient")})
    assert set(found) == {"a photo of a rusty car", "a photo of an ancient car"}


def test_a_name_without_a_word_fails_and_says_so():
    (failed,) = LexiconPrompts().load(None)([wish("+")])  # type: ignore[arg-type]
    assert failed == Failed("", "the class '+' has no word that a prompt could say")


def test_classes_that_differ_in_capitals_have_prompts_of_their_own():
    assert all("Turkey" in text for text in prompts(wish("Turkey", others=("turkey",))))
    assert all("turkey" in text for text in prompts(wish("turkey", others=("Turkey",))))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"banks": {"weather": ("...",)}}, "holds no word"),
        ({"uncommon": True, "kinds": ("weather",)}, "leaves the surroundings out"),
    ],
)
def test_what_cannot_be_written_is_refused(fields: dict[str, Any], why: str):
    with pytest.raises(ValidationError, match=why):
        LexiconPrompts(**fields)


def test_the_bank_speaks_of_classes_of_nouns_that_there_are():
    sorts = {sort for sort, _ in bank.classes().values()} | {"any"}
    assert sorts - {"any"} <= set(listed("subjects")["adjectives"]) <= sorts
    assert set(listed("subjects")["places"]) <= sorts

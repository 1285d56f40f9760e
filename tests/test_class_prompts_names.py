"""Class names in sentences: found as whole words, told apart from longer and from alike ones, and replaced."""

import unicodedata

import pytest

from counterfactory.language.class_prompts.names import all_classes, classes_of, matched, named, spoken
from counterfactory.types import ClassWish


def complaint(text: str, name: str, *others: str) -> str | None:
    return classes_of(ClassWish(name=name, others=others)).complaint(name, text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a photo of a car", "car"),
        ("two CARS on a road", "car"),
        ("a car's door", "car"),
        ("three wolves in the snow", "wolf"),
        ("a golden-retriever", "golden_retriever"),
        ("an air plane", "airplane"),
        ("a Müller's shop", "müller"),
        ("a flowering colt’s foot", "colt's foot"),
        ("a jack-o'-lantern at night", "jack-o'-lantern"),
        ("a St. Bernard in the snow", "St. Bernard"),
        ("a tench in a net", "tench, Tinca tinca"),
        ("a photo of the number 7", "7"),
    ],
)
def test_a_class_is_named_in_any_number_case_and_spelling_of_spaces(text: str, name: str):
    assert complaint(text, name) is None


@pytest.mark.parametrize("text", ["a carrot", "a red carpet", "a scar", "a cart", "a caring person", ""])
def test_a_longer_word_does_not_name_the_class_that_is_in_it(text: str):
    assert complaint(text, "car")


def test_a_hot_dog_is_no_dog_and_a_teddy_bear_names_no_bear():
    assert complaint("a hot dog on a plate", "dog", "hot dog") == "it names 'hot dog', which is another class"
    assert complaint("a hot dog on a plate", "hot dog", "dog") is None
    assert complaint("a teddy bear", "teddy bear", "bear") is None
    assert complaint("a dog and a hot dog", "hot dog", "dog") == "it names 'dog', which is another class"


def test_letters_that_a_file_system_took_apart_are_the_same_letters():
    assert complaint("ein Käfer", unicodedata.normalize("NFD", "Käfer")) is None


def test_classes_that_differ_in_capitals_alone_are_told_apart_by_their_spelling():
    assert complaint("a map of Turkey", "Turkey", "turkey") is None
    assert complaint("a map of Turkey", "turkey", "Turkey") == "it names 'Turkey', which is another class"
    assert complaint("two turkeys on a farm", "turkey", "Turkey") is None
    assert complaint("a TURKEY", "turkey", "Turkey") == (
        "it may mean 'Turkey' as well: it must say 'turkey' with just these capitals"
    )
    assert complaint("glasses on a table", "glasses", "glass") is None
    assert complaint("glasses on a table", "glass", "glasses") is not None


def test_classes_that_are_called_the_same_cannot_be_told_apart_and_are_not():
    assert complaint("a crane", "crane", "crane_") is None
    assert complaint("a missile", "missile", "projectile, missile") is None


def test_another_name_of_another_class_is_another_class():
    assert complaint("a dog beside a Tinca tinca", "dog", "tench, Tinca tinca") is not None


def test_a_thousand_names_are_looked_for_at_once():
    names = tuple(f"class number {n}" for n in range(1000))
    for n in range(0, 1000, 50):
        assert all_classes(names).complaint(names[n], f"a class number {n} on grass") is None


@pytest.mark.parametrize(
    ("prompt", "name", "instead", "expected"),
    [
        ("a car, a carrot and a carpet", "car", "<car>", "a <car>, a carrot and a carpet"),
        ("Cars and a car's door", "car", "<car>", "<car> and a <car>'s door"),
        ("A HOT DOG on a plate", "hot dog", "<hot_dog>", "A <hot_dog> on a plate"),
        ("two hot-dogs", "hot_dog", "<x>", "two <x>"),
        ("a photo of an orange", "orange", "<orange>", "a photo of an <orange>"),
        ("a photo of a car", "car", "object", "a photo of an object"),
        ("An apple", "apple", "thing", "A thing"),
        ("a dog {in} {} 'a' \\1 park", "dog", "<dog>", "a <dog> {in} {} 'a' \\1 park"),
        ("ein Käfer", unicodedata.normalize("NFD", "Käfer"), "<k>", "ein <k>"),
        ("a tench, or Tinca tinca", "tench, Tinca tinca", "<t>", "a <t>, or <t>"),
        ("nothing of it", "car", "<car>", "nothing of it"),
        ("nothing", "+", "<plus>", "nothing"),
    ],
)
def test_the_class_is_replaced_as_a_whole_word_and_nothing_else(prompt: str, name: str, instead: str, expected: str):
    assert named(prompt, name, instead) == expected


def test_names_mean_the_class_that_is_spelt_so_or_the_only_one_that_is_alike():
    assert matched(["Dog", "cat", "hot dog", "cow"], ["dog", "cat", "hot_dog"]) == {
        "Dog": "dog",
        "cat": "cat",
        "hot dog": "hot_dog",
    }
    assert matched(["turkey", "TURKEY"], ["Turkey", "turkey"]) == {"turkey": "turkey"}


def test_a_name_is_spoken_without_underscores_and_only_once():
    assert spoken("golden_retriever") == "golden retriever"
    assert spoken("tench, Tinca tinca") == "tench"
    assert spoken("???") == "???"

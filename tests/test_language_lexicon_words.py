"""English forms, the places of words, changes that keep a text's shape, and banks that hold what they promise."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from counterfactory.language import bank, english
from counterfactory.language.english import article, lemma, plural, stems
from counterfactory.language.reading import read
from counterfactory.language.words import Span, changed, occurrences, phrase, sentences, words
from counterfactory.types import Passage


@pytest.mark.parametrize(
    ("word", "singular"),
    [
        ("cars", "car"),
        ("buses", "bus"),
        ("bus", "bus"),
        ("benches", "bench"),
        ("boxes", "box"),
        ("glasses", "glass"),
        ("puppies", "puppy"),
        ("pies", "pie"),
        ("people", "person"),
        ("children", "child"),
        ("wolves", "wolf"),
        ("gloves", "glove"),
        ("horses", "horse"),
        ("houses", "house"),
        ("tomatoes", "tomato"),
        ("shoes", "shoe"),
        ("tennis", "tennis"),
        ("grass", "grass"),
        ("sheep", "sheep"),
        ("is", "is"),
        ("scissors", "scissors"),
    ],
)
def test_plurals_are_looked_up_by_their_singular(word: str, singular: str):
    assert lemma(word) == singular


def test_verbs_may_come_from_several_stems():
    assert {"run", "running"} <= stems("running")
    assert "ride" in stems("riding")
    assert "park" in stems("parked")


def test_a_plural_can_be_made():
    made = [plural(word) for word in ("car", "bus", "box", "puppy", "boy", "child")]
    assert made == ["cars", "buses", "boxes", "puppies", "boys", "children"]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("orange", "an"),
        ("blue", "a"),
        ("hour", "an"),
        ("university", "a"),
        ("unicorn", "a"),
        ("umbrella", "an"),
        ("European", "a"),
        ("one", "a"),
        ("8", "an"),
        ("18", "an"),
        ("11th", "an"),
        ("180", "a"),
        ("SUV", "an"),
    ],
)
def test_articles_follow_the_sound(word: str, wanted: str):
    assert article(word) == wanted


def test_sentences_end_at_full_stops_but_not_at_shortenings():
    text = "A man at St. Mary's. Mr. Smith waves! a dog\nA cat"
    assert [text[start:end].strip() for start, end in sentences(text)] == [
        "A man at St. Mary's.",
        "Mr. Smith waves!",
        "a dog",
        "A cat",
    ]


def test_a_phrase_is_found_in_other_numbers_and_spacings():
    for text in ("two fire trucks", "a firetruck", "a fire-truck", "the fire truck's ladder"):
        assert list(occurrences(words(text), phrase("fire truck"))), text
    assert not list(occurrences(words("a fire. A truck"), phrase("fire truck")))


def test_new_words_take_the_article_and_the_capital_of_the_old():
    assert changed("A red car", [Span(2, 5, "orange")]) == "An orange car"
    assert changed("an old man", [Span(3, 6, "young")]) == "a young man"
    assert changed("Rainy streets.", [Span(0, 5, "snowy")]) == "Snowy streets."
    assert changed("A RED CAR", [Span(2, 5, "orange")]) == "AN ORANGE CAR"


def test_words_put_before_a_sentence_take_its_capital():
    assert changed("Cars wait. Go.", [Span(0, 0, "red", after=" ")]) == "Red cars wait. Go."


def test_of_two_additions_at_one_place_the_first_comes_first():
    spans = [Span(5, 5, "in snow", before=" "), Span(5, 5, "at night", before=" ")]
    assert changed("a dog.", spans) == "a dog in snow at night."


def test_every_form_that_is_written_has_the_right_article():
    for value in bank.values():
        for texts in value.forms.values():
            for text in texts:
                said = text.split(" ")
                wrong = [b for a, b in pairwise(said) if a in {"a", "an"} and article(b) != a]
                assert not wrong, f"{value.kind}, {value.name}: {text}"


def test_every_addition_is_recognised_again_as_what_it_says():
    for value in bank.values():
        for slot in ("around", "tail"):
            for text in value.forms.get(slot, ()):
                found = read(Passage(caption=f"a dog {text}")).of_kind(value.kind)
                assert value.name in {mention.value.name for mention in found}, f"{value.kind}: {text}"


def test_clashes_and_needs_name_tags_that_something_has():
    values = bank.values()
    known = {tag for value in values for tag in value.tags} | {tag for tags in bank.tells().values() for tag in tags}
    for value in values:
        assert value.needs | value.idle <= known, value.name
        assert set(value.alike) | set(value.against) <= {other.name for other in values if other.kind == value.kind}


def test_places_are_for_classes_of_nouns_that_exist():
    known = {name for name, _ in bank.classes().values()} | {"aircraft aloft"}
    for value in bank.values():
        assert value.subjects <= known, f"{value.name}: {value.subjects - known}"


def test_threads_that_ask_at_one_moment_read_a_file_of_the_bank_once():
    english._read.cache_clear()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: english.listed("grammar"), range(64)))
    assert all(one is found[0] for one in found)
    assert english._read.cache_info().misses == 1

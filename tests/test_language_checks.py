"""Text checks: what a rewriting may not do, whoever wrote it, and what a rewriting did."""

import pytest

from counterfactory.language.checks import complaint, edits_between, kind_of, value_of
from counterfactory.types import Edit, Passage, Rewriting

DOG = Passage(caption="A brown dog runs across the wet street in the rain.", label="dog", synonyms=("hound",))
SNOW = Edit(kind="weather", old="in the rain", new="in heavy snow")
ROAD = Edit(kind="weather", old="wet", new="snowy")


def test_the_wanted_edit_and_nothing_else_passes():
    new = Rewriting(caption="A brown dog runs across the snowy street in heavy snow.", edits=(SNOW, ROAD))
    assert complaint(DOG, new) is None


def test_capitals_punctuation_and_articles_are_no_edits():
    edit = Edit(kind="colour", old="red", new="orange")
    assert complaint(Passage(caption="A red car."), Rewriting(caption="an orange car", edits=(edit,))) is None


@pytest.mark.parametrize(
    ("caption", "edits", "told"),
    [
        ("", (SNOW,), "empty"),
        (" .", (SNOW,), "empty"),
        (DOG.caption, (SNOW,), "same"),
        ("a brown dog runs across the wet street in the rain", (SNOW,), "same"),
        ("A brown cat runs across the wet street in heavy snow.", (SNOW,), "label 'dog' is gone"),
        ("A brown dog and a dog run across the wet street in heavy snow.", (SNOW,), "more often"),
        ("A brown dog runs across the wet street in heavy snow.", (), "without the edits"),
        ("A brown dog runs across the wet street in heavy snow.", (SNOW, ROAD), "wanted 'in the rain' to"),
        (
            "A brown dog runs across the wet street in heavy snow.",
            (SNOW, Edit(kind="weather", old="wet", new="Wet")),
            "of 'wet' to 'Wet' changes nothing",
        ),
        (
            "A brown dog runs across the wet street in heavy snow.",
            (SNOW, Edit(kind="light", old="", new="")),
            "changes nothing",
        ),
        ("A big brown dog runs across the wet street in heavy snow.", (SNOW,), "'big' added"),
        ("A brown dog runs across the street in heavy snow.", (SNOW,), "'wet' removed"),
        ("A brown dog runs across the icy street in heavy snow.", (SNOW,), "'wet' to 'icy'"),
        ("A brown dog runs across the wet street in the rain. Sure, here you are!", (SNOW,), "added"),
    ],
)
def test_a_rewriting_that_does_something_else_is_told(caption: str, edits: tuple[Edit, ...], told: str):
    found = complaint(DOG, Rewriting(caption=caption, edits=edits))
    assert found is not None
    assert told in found


def test_a_synonym_counts_as_the_label():
    passage = Passage(caption="a hound in the rain", label="dog", synonyms=("hound",))
    gone = Rewriting(caption="a cat in the rain", edits=(Edit(kind="other", old="hound", new="cat"),))
    assert "label" in str(complaint(passage, gone))


def test_a_label_of_several_words_may_be_spelt_otherwise():
    passage = Passage(caption="Two firetrucks in the rain", label="fire truck")
    assert complaint(passage, Rewriting(caption="Two firetrucks in heavy snow", edits=(SNOW,))) is None
    gone = Rewriting(
        caption="Two trucks in heavy snow", edits=(SNOW, Edit(kind="other", old="firetrucks", new="trucks"))
    )
    assert "gone" in str(complaint(passage, gone))


def test_a_label_that_the_caption_does_not_name_is_not_asked_for():
    passage = Passage(caption="an animal in the rain", label="dog")
    assert complaint(passage, Rewriting(caption="an animal in heavy snow", edits=(SNOW,))) is None


def test_an_edit_may_be_made_in_every_sentence():
    passage = Passage(caption="a red car. the red car's door", label="car")
    edit = Edit(kind="colour", old="red", new="blue")
    assert complaint(passage, Rewriting(caption="a blue car. the blue car's door", edits=(edit,))) is None


def test_apostrophes_of_both_sorts_are_one():
    passage = Passage(caption="a child’s red ball", label="ball")
    edit = Edit(kind="colour", old="red", new="blue")
    assert complaint(passage, Rewriting(caption="a child's blue ball", edits=(edit,))) is None


def test_an_absurd_number_of_edits_is_refused_and_not_searched():
    edits = tuple(Edit(kind="other", old=f"word{n}", new="dog") for n in range(30))
    assert "30 edits" in str(complaint(Passage(caption="a cat"), Rewriting(caption="a dog", edits=edits)))


def test_what_was_changed_is_found_word_by_word():
    found = edits_between(DOG.caption, "A white dog runs across the snowy street in heavy snow.")
    assert [(edit.old, edit.new) for edit in found] == [
        ("brown", "white"),
        ("wet", "snowy"),
        ("the rain", "heavy snow"),
    ]
    assert [edit.kind for edit in found] == ["colour", "weather", "weather"]


@pytest.mark.parametrize(
    "new",
    [
        "A white dog runs across the snowy street in heavy snow.",
        "At night, a brown dog runs across the wet street.",
        "A brown dog sits.",
        "Under a clear blue sky a brown dog runs across the dry street.",
    ],
)
def test_what_is_found_always_derives_the_new_caption(new: str):
    assert complaint(DOG, Rewriting(caption=new, edits=edits_between(DOG.caption, new))) is None


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("in the rain", "in heavy snow", "weather"),
        ("red", "blue", "colour"),
        ("", "at night", "time of day"),
        ("on the street", "on a beach", "surroundings"),
        ("wooden", "metal", "material"),
        ("", "seen from above", "viewpoint"),
        ("large", "tiny", "size"),
        ("", "in the middle of winter", "season"),
        ("dog", "wombat", "other"),
    ],
)
def test_the_kind_of_an_edit_is_guessed_from_the_banks(old: str, new: str, kind: str):
    assert kind_of(old, new) == kind


def test_many_wordings_come_to_one_value():
    said = ["in heavy snow", "in falling snow", "snowy", "while it is snowing"]
    assert {value_of(Edit(kind="weather", old="", new=words)) for words in said} == {"snow"}
    assert value_of(Edit(kind="weather", old="", new="in a rain of frogs and snow-free")) == "rain"
    assert value_of(Edit(kind="other", old="dog", new="Wombat")) == "wombat"
    assert value_of(Edit(kind="other", old="Dog", new="")) == "no dog"

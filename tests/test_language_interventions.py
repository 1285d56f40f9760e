"""A person's own edits: where they fit, where they do not, and what the configuration may not say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from counterfactory.language.interventions import Intervention, Interventions
from counterfactory.testing import StepContract
from counterfactory.types import Failed, Passage
from counterfactory.worker import Worker

WORKER = Worker(workspace=Path("unused"))


def captions(passage: Passage, *edits: dict[str, Any]) -> list[str]:
    found = Interventions(edits=tuple(Intervention(**edit) for edit in edits)).load(WORKER)([passage])[0]
    assert not isinstance(found, Failed), found
    return [new.caption for new in found]


class TestInterventions(StepContract):
    def step(self) -> Interventions:
        return Interventions(edits=(Intervention(add="at night"), Intervention(kind="colour", replace={"red": "blue"})))

    def items(self) -> Sequence[Passage]:
        return [Passage(caption=f"a red {thing}", label=thing) for thing in ("car", "bus", "cup")]


def test_each_edit_is_made_alone_in_the_order_of_the_list():
    passage = Passage(caption="A red car in the rain.", label="car")
    assert captions(
        passage,
        {"kind": "time of day", "add": "at night"},
        {"kind": "weather", "replace": {"in the rain": "in snow", "rain": "hail"}},
        {"kind": "season", "replace": {"summer": "winter"}},
    ) == ["A red car in the rain at night.", "A red car in snow."]


def test_articles_plurals_and_possessives_are_mended():
    assert captions(Passage(caption="A red car."), {"replace": {"red": "orange"}}) == ["An orange car."]
    assert captions(Passage(caption="Two cars."), {"replace": {"car": "bus"}}) == ["Two buses."]
    assert captions(Passage(caption="The dog's ear."), {"replace": {"dog": "cat"}}) == ["The cat's ear."]


def test_words_of_the_label_stay():
    passage = Passage(caption="a red panda on a red blanket next to a red ball", label="red panda")
    found = Interventions(edits=(Intervention(replace={"red": "blue"}),)).load(WORKER)([passage])[0]
    assert isinstance(found, Failed)
    assert "'red'" in found.reason
    assert "label" in found.reason


def test_words_can_be_removed():
    passage = Passage(caption="A man with an umbrella in the rain.", label="man")
    assert captions(passage, {"replace": {"with an umbrella": ""}}) == ["A man in the rain."]


def test_an_addition_goes_behind_the_first_sentence_with_its_comma():
    passage = Passage(caption='A sign says "stop". A dog.', label="sign")
    assert captions(passage, {"add": "at night"}) == ['A sign says "stop" at night. A dog.']
    assert captions(passage, {"add": ", seen from above"}) == ['A sign says "stop", seen from above. A dog.']


@pytest.mark.parametrize("caption", ["", "...", "a car at night"])
def test_where_nothing_fits_the_caption_fails_and_says_why(caption: str):
    found = Interventions(edits=(Intervention(add="at night"),)).load(WORKER)([Passage(caption=caption)])[0]
    assert isinstance(found, Failed)
    assert "'at night'" in found.reason


@pytest.mark.parametrize(
    "edit",
    [
        {},
        {"kind": "weather"},
        {"replace": {"red": "blue"}, "add": "at night"},
        {"replace": {"red": "red"}},
        {"replace": {"": "blue"}},
        {"add": " , "},
        {"kind": "wether", "add": "at night"},
        {"adds": "at night"},
    ],
)
def test_an_edit_that_says_nothing_is_refused(edit: dict[str, Any]):
    with pytest.raises(ValidationError):
        Intervention(**edit)


def test_an_empty_list_is_refused():
    with pytest.raises(ValidationError):
        Interventions(edits=())

"""Configuration: layers, and messages that name the field."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from counterfactory.config import parse_sets, parse_value, read_file, resolve, to_yaml
from counterfactory.errors import BadConfig


class Small(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["small"] = "small"
    width: int = 16


class Large(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["large"] = "large"
    name: str = "a/b"


class Stored(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["stored"] = "stored"
    path: str
    revision: str = "1"


class Training(BaseModel, frozen=True, extra="forbid"):
    steps: int = Field(default=100, ge=1)
    passes: int | None = None
    model: Annotated[Small | Large | Stored, Field(discriminator="kind")] = Small()

    @model_validator(mode="after")
    def _one_length(self) -> "Training":
        if self.passes is not None:
            raise ValueError("steps or passes, not both")
        return self


class Recipe(BaseModel, frozen=True, extra="forbid"):
    shots: int = 4
    seeds: tuple[int, ...] = (0, 1)
    classifier: Training = Training()


class Shelf(BaseModel, frozen=True, extra="forbid"):
    labels: Mapping[str, float] = {"a": 1.0, "b": 2.0}


class Room(BaseModel, frozen=True, extra="forbid"):
    shelf: Shelf = Shelf()


def test_a_mapping_of_free_names_is_said_as_a_whole_and_layers_add_to_each_other():
    assert resolve(Room(), {"shelf": {"labels": {"c": 3}}}).shelf.labels == {"c": 3.0}
    assert resolve(Room(), {"shelf": {"labels": {"c": 3}}}, {"shelf": {"labels": {"d": 4}}}).shelf.labels == {
        "c": 3.0,
        "d": 4.0,
    }
    assert resolve(Room(), {"shelf": {}}).shelf.labels == {"a": 1.0, "b": 2.0}


def test_a_later_layer_wins_and_leaves_its_neighbours():
    found = resolve(Recipe(shots=2), {"classifier": {"steps": 5}}, {"classifier": {"steps": 7}})
    assert found == Recipe(shots=2, classifier=Training(steps=7))


def test_settings_from_the_command_line_are_nested():
    assert parse_sets(["shots=8", "classifier.steps=9", "classifier.model.width=3"]) == {
        "shots": 8,
        "classifier": {"steps": 9, "model": {"width": 3}},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("a", "a"),
        ("1,2", [1, 2]),
        ("[1]", [1]),
        ('"a, b"', "a, b"),
    ],
)
def test_a_value_is_read_as_yaml(text, value):
    assert parse_value(text) == value


def test_another_kind_drops_the_fields_of_the_old_one():
    found = resolve(Recipe(), {"classifier": {"model": {"kind": "large", "name": "x/y"}}})
    assert found.classifier.model == Large(name="x/y")


def test_fields_of_another_kind_choose_it():
    assert resolve(Recipe(), {"classifier": {"model": {"name": "x/y"}}}).classifier.model == Large(name="x/y")


def test_fields_that_belong_to_the_kind_that_was_chosen_before_change_nothing_else():
    chosen = {"classifier": {"model": {"kind": "large"}}}
    assert resolve(Recipe(), chosen, {"classifier": {"model": {"name": "x/y"}}}).classifier.model == Large(name="x/y")


def test_an_unknown_field_of_one_kind_among_several_is_named_beside_its_own():
    with pytest.raises(BadConfig, match=r"'classifier\.model\.widht'.*Did you mean 'classifier\.model\.width'"):
        resolve(Recipe(), {"classifier": {"model": {"widht": 8}}})
    with pytest.raises(BadConfig, match=r"^Field 'classifier\.model\.width': 'x' is not allowed; input should be"):
        resolve(Recipe(), {"classifier": {"model": {"width": "x"}}})


def test_an_unknown_kind_is_named_with_the_known_ones():
    with pytest.raises(BadConfig, match=r"classifier\.model\.kind 'lage'. Did you mean 'large'\? Known: large, small"):
        resolve(Recipe(), {"classifier": {"model": {"kind": "lage"}}})


def test_fields_that_exclude_each_other_say_so_and_not_what_they_all_are():
    with pytest.raises(BadConfig, match=r"^Field 'classifier': steps or passes, not both\.$"):
        resolve(Recipe(), {"classifier": {"passes": 2}})


def test_a_field_that_is_missing_is_named():
    with pytest.raises(BadConfig, match=r"^Field 'classifier\.model\.path' is missing\.$"):
        resolve(Recipe(), {"classifier": {"model": {"revision": "main"}}})


def test_one_value_where_several_may_stand_is_a_list_of_it():
    assert resolve(Recipe(), {"seeds": 3}) == Recipe(seeds=(3,))
    with pytest.raises(BadConfig, match="expected a list"):
        resolve(Recipe(), {"seeds": {"a": 1}})


def test_a_value_in_place_of_fields_is_told_which_there_are():
    with pytest.raises(BadConfig, match=r"'classifier': 3 is not allowed; .*such as classifier\.steps\.$"):
        resolve(Recipe(), {"classifier": 3})
    with pytest.raises(BadConfig, match=r"'large' is not allowed; .*such as classifier\.model\.kind\.$"):
        resolve(Recipe(), {"classifier": {"model": "large"}})


def test_names_that_yaml_takes_for_numbers_are_text():
    assert resolve(Shelf(), {"labels": {0: 5}}, {"labels": {"0": 6, "1": 7}}).labels == {"0": 6.0, "1": 7.0}


def test_an_unknown_field_is_named_with_the_nearest():
    with pytest.raises(BadConfig, match=r"'shot'.*Did you mean 'shots'"):
        resolve(Recipe(), {"shot": 3})


def test_an_unknown_field_further_in_is_named_with_its_path():
    with pytest.raises(BadConfig, match=r"'classifier\.step'.*Did you mean 'classifier\.steps'"):
        resolve(Recipe(), {"classifier": {"step": 3}})


def test_a_value_that_is_not_allowed_is_named_with_what_is():
    with pytest.raises(
        BadConfig, match=r"classifier\.steps': 0 is not allowed; input should be greater than or equal to 1"
    ):
        resolve(Recipe(), {"classifier": {"steps": 0}})


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan"])
def test_a_number_without_end_is_refused_wherever_it_stands(text):
    with pytest.raises(BadConfig, match=r"^Field 'shelf\.labels\.c': .* is not allowed; expected a finite number"):
        resolve(Room(), parse_sets([f"shelf.labels.c={text}"]))
    with pytest.raises(BadConfig, match=r"^Field 'seeds': .* expected a finite number"):
        resolve(Recipe(), parse_sets([f"seeds=[1, {text}]"]))


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(BadConfig, match="field=value"):
        parse_sets(["shots"])


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / "c.yaml").write_text(to_yaml(Recipe(shots=3).model_dump(mode="json")))
    assert resolve(Recipe(), read_file(tmp_path / "c.yaml")) == Recipe(shots=3)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(BadConfig, match=r"no configuration file .*nowhere\.yaml"):
        read_file(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(BadConfig, match=r"bad\.yaml cannot be read as YAML"):
        read_file(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(BadConfig, match="fields and values"):
        read_file(tmp_path / "list.yaml")

"""Prompts in a file: written, edited by a person, read back; DIAGen's and DALDA's; and what is wrong with others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import key
from counterfactory.language.class_prompts.file import read_prompts, write_prompts
from counterfactory.language.class_prompts.given import GivenPrompts
from counterfactory.testing import StepContract
from counterfactory.types import ClassWish, Failed, Problem

PROMPTS = {
    "dog": ("a dog, on grass", 'a "dog"; in {braces}', "a dog's life"),
    "Müller's café": ("a Müller's café\tat night", "ein Café – 50 %"),
    "hot dog": ("a hot dog",),
}


class TestGivenPrompts(StepContract):
    @pytest.fixture(autouse=True)
    def _write(self, tmp_path: Path) -> None:
        self.file = tmp_path / "prompts.csv"
        write_prompts(self.file, PROMPTS)

    def step(self) -> Any:
        return GivenPrompts(file=str(self.file))

    def items(self) -> Sequence[Any]:
        return [ClassWish(name=name, others=tuple(PROMPTS)) for name in PROMPTS]


def given(path: Path, *names: str) -> list[Any]:
    wishes = [ClassWish(name=name, others=tuple(other for other in names if other != name)) for name in names]
    return GivenPrompts(file=str(path)).load(None)(wishes)  # type: ignore[arg-type]


def saved(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["prompts.csv", "prompts.json", "new folder/PROMPTS.JSON"])
def test_what_is_written_is_read_back_unchanged(tmp_path: Path, name: str):
    write_prompts(tmp_path / name, PROMPTS)
    assert read_prompts(tmp_path / name) == PROMPTS
    assert given(tmp_path / name, *PROMPTS) == list(PROMPTS.values())
    assert [path.name for path in (tmp_path / name).parent.iterdir() if path.suffix == ".part"] == []


def test_a_file_is_written_as_csv_or_json_and_as_nothing_else(tmp_path: Path):
    with pytest.raises(BadConfig, match=r"prompts\.txt is neither"):
        write_prompts(tmp_path / "prompts.txt", PROMPTS)


@pytest.mark.parametrize(
    "text",
    [
        "class,prompt\ndog,a dog\ncat,a cat\n",
        "\ufeffclass;prompt\r\ndog;a dog\r\ncat;a cat\r\n",
        "Class , Prompt\n\ndog , a dog\n,\ncat, a cat",
        "class\tprompt\ndog\ta dog\ncat\ta cat\n",
        '"class","prompt"\n"dog","a dog"\n"cat","a cat"\n',
        '{"dog": ["a dog"], "cat": ["a cat"]}',
    ],
)
def test_what_spreadsheets_and_people_write_is_read(tmp_path: Path, text: str):
    assert read_prompts(saved(tmp_path, text)) == {"dog": ("a dog",), "cat": ("a cat",)}


def test_a_comma_that_nobody_quoted_parts_no_prompt(tmp_path: Path):
    assert read_prompts(saved(tmp_path, "class,prompt\ndog,a dog, on grass\n")) == {"dog": ("a dog, on grass",)}


def test_a_class_that_stands_twice_has_both_its_prompts(tmp_path: Path):
    assert read_prompts(saved(tmp_path, '{"dog": ["a"], "cat": ["b"], "dog": ["c"]}'))["dog"] == ("a", "c")


def test_diagen_s_file_is_read_with_its_class_in_place(tmp_path: Path):
    text = "class_name;class_idx;prompt\nhot_dog;3;a photo of a {name} in a {setting}\ncar;0;a {name}, a carrot\n"
    assert read_prompts(saved(tmp_path, text)) == {
        "hot_dog": ("a photo of a hot dog in a {setting}",),
        "car": ("a car, a carrot",),
    }


def test_dalda_s_file_is_read(tmp_path: Path):
    dalda = {"colts foot": ["A colt's foot in a meadow."] * 2, "Abyssinian": ["An Abyssinian."]}
    path = saved(tmp_path, json.dumps(dalda), "llm_prompt_flowers_10.json")
    assert read_prompts(path) == {name: tuple(texts) for name, texts in dalda.items()}


def test_names_are_taken_exactly_and_else_but_for_capitals_where_one_is_meant(tmp_path: Path):
    path = saved(tmp_path, "class,prompt\nDOG,a dog\nhot dog,a hot dog\nturkey,one\nTURKEY,two\n")
    dog, hot_dog, turkey, country = given(path, "dog", "hot_dog", "turkey", "Turkey")
    assert (dog, hot_dog, turkey) == (("a dog",), ("a hot dog",), ("one",))
    assert country == Failed("", "mine.csv has no prompts for the class 'Turkey'. Did you mean 'turkey'?")


def test_classes_that_are_not_there_and_names_that_are_none_are_problems(tmp_path: Path):
    path = saved(tmp_path, "class,prompt\ndgo,a dog\ncat,a cat\nrocket,a rocket\n")
    assert GivenPrompts(file=str(path)).problems(("dog", "cat")) == (
        Problem(where=str(path), what="'dgo' is no class of the data, or may be several. Did you mean 'dog'?"),
        Problem(where=str(path), what="'rocket' is no class of the data, or may be several."),
        Problem(where=str(path), what="no prompts for the class 'dog'. Did you mean 'dgo'?"),
    )
    (failed, cats) = given(path, "dog", "cat")
    assert failed == Failed("", "mine.csv has no prompts for the class 'dog'. Did you mean 'dgo'?")
    assert cats == ("a cat",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("class,prompt\ndog,\n", "mine.csv, line 2: the prompt of 'dog' is empty"),
        ("class,prompt\n,a dog\n", "mine.csv, line 2: the name of the class is empty"),
        ("class,prompt\ndog\n", "mine.csv, line 2: 1 columns, expected class,prompt"),
        ("dog,a dog\n", "begins with 'dog,a dog'; expected the columns class,prompt"),
        ("class,prompt\n", "holds no prompts"),
        ("", "begins with ''"),
        ('{"dog": ["a dog", " "]}', "number 2 of 'dog': the prompt of 'dog' is empty"),
        ('{"dog": "a dog"}', "under 'dog' there is no list of prompts"),
        ('{"dog": [{"prompt": "a dog"}]}', "under 'dog' there is no list of prompts"),
        ('["a dog"]', "holds a list"),
        ('{"dog": ["a dog"]', "is no JSON"),
        ("{}", "holds no prompts"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path: Path, text: str, why: str):
    with pytest.raises(BadData, match=why.replace("{", r"\{").replace("}", r"\}")):
        read_prompts(saved(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path):
    with pytest.raises(BadData, match="There is no file"):
        read_prompts(tmp_path / "none.csv")
    (tmp_path / "old.csv").write_bytes("class,prompt\ncafé,a café\n".encode("latin-1"))
    with pytest.raises(BadData, match="save it as UTF-8"):
        read_prompts(tmp_path / "old.csv")


def test_a_file_is_identified_by_what_it_says_and_not_by_its_name(tmp_path: Path):
    one, same = saved(tmp_path, "class,prompt\ndog,a dog\n"), saved(tmp_path, "class,prompt\ndog,a dog\n", "x.csv")
    other = saved(tmp_path, "class,prompt\ndog,a big dog\n", "y.csv")
    keys = [key(GivenPrompts(file=str(path))) for path in (one, same, other)]
    assert keys[0] == keys[1] != keys[2]

"""Replies as language models write them: what is read, what is mended, and what is sent back with a complaint."""

import pytest
from pydantic import BaseModel

from counterfactory.asking.reading import Invalid, json_value, read_form

WANTED = {"caption": "a man's red hat"}


class Form(BaseModel, extra="forbid"):
    caption: str


class Listed(BaseModel, extra="forbid"):
    words: list[str]


@pytest.mark.parametrize(
    "text",
    [
        '{"caption": "a man\'s red hat"}',
        '\ufeff {"caption": "a man\'s red hat"}\n',
        'Sure! Here it is:\n```json\n{"caption": "a man\'s red hat"}\n```\nAnything else?',
        '```\n{"caption": "a man\'s red hat"}```',
        'Here you are: {"caption": "a man\'s red hat"} (I changed [one] word.)',
        '{"caption": "a man\'s red hat",}',
        'Here: {"caption": "a man\'s red hat", } done',
        "{'caption': \"a man's red hat\"}",
        r"{'caption': 'a man\'s red hat',}",
        '<think>maybe {"caption": "x"}?</think>\n{"caption": "a man\'s red hat"}',
    ],
)
def test_one_value_is_found_and_mended(text: str):
    assert json_value(text) == WANTED


def test_a_comma_within_a_string_is_no_trailing_comma():
    assert json_value('{"caption": "a hat,] and, }", "words": [1, ], }') == {"caption": "a hat,] and, }", "words": [1]}


def test_a_line_break_within_a_string_is_read():
    assert json_value('{"caption": "a\nhat"}') == {"caption": "a\nhat"}


def test_both_halves_of_a_character_are_one():
    assert json_value('{"caption": "a cup \\ud83d\\ude00"}') == {"caption": "a cup \U0001f600"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I'm sorry, I can't help with that.", "no JSON.*I'm sorry"),
        ("<!DOCTYPE html><html></html>", "web page"),
        ('{"caption": "a man\'s', "before it is whole"),
        ('{"caption": ["a", "b"', "before it is whole"),
        ('{"caption": "a"} or {"caption": "b"}', "2 JSON values"),
        ("{'caption': 'a man's hat'}", "no JSON in it that can be read"),
        ("a" * 200_000, "200,000 characters"),
        ("[" * 5000, "no JSON|before it is whole"),
        ('{"a":' * 5000, "before it is whole"),
        ("null", "no JSON"),
        ('{"caption": "a cup \\ud83d on grass"}', "half of a character"),
        ('{"a \\ude00": 1}', "half of a character"),
        ("42", "no JSON"),
    ],
)
def test_what_has_no_one_reading_is_refused_with_a_reason(text: str, complaint: str):
    with pytest.raises(Invalid, match=complaint):
        json_value(text)


def test_the_question_said_back_is_no_answer_even_if_it_holds_json():
    question = 'Please change the caption. For example: {"caption": "a dog"}. Answer with JSON.'
    with pytest.raises(Invalid, match="repeats the question"):
        json_value(f" {question}\n", [question])
    assert json_value(f'{question}\n{{"caption": "a cat"}}', [question]) == {"caption": "a cat"}


def test_wrong_keys_and_wrong_types_are_named():
    with pytest.raises(Invalid, match="caption: Field required; text: Extra inputs"):
        read_form('{"text": "a hat"}', Form)
    with pytest.raises(Invalid, match="caption: Input should be a valid string"):
        read_form('{"caption": ["a hat"]}', Form)


def test_a_list_stands_for_the_only_field():
    assert read_form('["a", "b"]', Listed).words == ["a", "b"]
    assert read_form('The words are ["a", "b"].', Listed).words == ["a", "b"]
    with pytest.raises(Invalid):
        read_form('["a"]', Form)

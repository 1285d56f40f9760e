"""What is said of classes: articles, names of every sort, a class of which nothing can be said, and prompts by hand."""

from pathlib import Path
from typing import Any

import pytest

from counterfactory.language.class_prompts.file import read_prompts, write_prompts
from counterfactory.language.class_prompts.given import GivenPrompts
from counterfactory.language.class_prompts.lexicon import LexiconPrompts
from counterfactory.language.class_prompts.names import filled
from counterfactory.recipes.class_words import PROMPTS, Wording, Words, among, plain, prompts_of
from counterfactory.run import Run
from counterfactory.types import Address, ClassWish, Dataset, Failed, Sample
from counterfactory.watch import Silent
from counterfactory.worker import Worker
from squares import squares

ODD = ("hot dog", "Bär", "Turkey", "turkey", "air_plane")
WISH = ClassWish(name="", number=3)


class Listening(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, what: str) -> None:
        self.notes.append(what)


def running(folder: Path, name: str = "run", **more: Any) -> Run:
    return Run(folder / name, Worker(workspace=folder), **more)


def train(classes: tuple[str, ...]) -> Dataset:
    return Dataset(
        samples=tuple(Sample(image=Address(name), target=n) for n, name in enumerate(classes)), classes=classes
    )


def said(folder: Path, writer: Any, classes: tuple[str, ...], name: str = "run", seed: int = 0) -> Words:
    with running(folder, name) as run:
        return prompts_of(run, writer, train(classes), ClassWish(name="", number=3, seed=seed))


@pytest.mark.parametrize(
    ("template", "name", "expected"),
    [
        ("a photo of a {}", "airplane", "a photo of an airplane"),
        ("a photo of a {}", "unicycle", "a photo of a unicycle"),
        ("A {} beside an {}", "hour", "An hour beside an hour"),
        ("a photo of a {}", "<airplane>", "a photo of a <airplane>"),
        ("a photo of the {}", "owl", "a photo of the owl"),
        ("{} {braces}", "{}", "{} {braces}"),
    ],
)
def test_an_article_follows_the_name_that_is_put_behind_it(template: str, name: str, expected: str):
    assert filled(template, name) == expected


def test_a_plain_sentence_says_the_first_name_of_a_class_with_its_article():
    assert plain("African_elephant, Loxodonta africana") == "a photo of an African elephant"
    assert Wording(prompt="an old {}").of("car") == "an old car"
    assert Wording(names=False).of("airplane") == "a photo"
    assert among("zoo:diorama/clip", ("airplane", "car")).classes == ("a photo of an airplane", "a photo of a car")


def test_what_was_said_of_classes_is_a_file_that_is_edited_and_handed_back(tmp_path: Path):
    first = said(tmp_path, LexiconPrompts(), ODD)
    file = tmp_path / "run" / PROMPTS
    assert tuple(read_prompts(file)) == ODD
    again = said(tmp_path, GivenPrompts(file=str(file)), ODD, "again")
    assert again == first
    edited = {**read_prompts(file), "turkey": ("a turkey in the hills",)}
    write_prompts(tmp_path / "mine.json", edited)
    mine = said(tmp_path, GivenPrompts(file=str(tmp_path / "mine.json")), ODD, "mine")
    assert mine == {**first, 3: ("a turkey in the hills",)}


def test_a_run_s_file_has_the_prompts_of_every_seed_and_keeps_what_was_edited_in_it(tmp_path: Path):
    first, second = (said(tmp_path, LexiconPrompts(), ("car", "dog"), seed=seed) for seed in (0, 1))
    file = tmp_path / "run" / PROMPTS
    assert read_prompts(file)["car"] == tuple(dict.fromkeys((*first[0], *second[0])))
    write_prompts(file, {**read_prompts(file), "dog": ("a dog that I know",)})
    said(tmp_path, LexiconPrompts(), ("car", "dog"))
    assert read_prompts(file)["dog"] == ("a dog that I know", *first[1])


def test_a_class_of_which_nothing_can_be_said_has_the_plain_sentence_and_that_is_told(tmp_path: Path):
    heard = Listening()
    with running(tmp_path, watcher=heard) as run:
        words = prompts_of(run, LexiconPrompts(), train(("owl", "???")), WISH)
    assert words[1] == ("a photo of a ???",)
    assert len(words[0]) == 3
    assert heard.notes == [
        "No prompt for ???: 'a photo of a ???' or its like is said. "
        "Why: the class '???' has no word that a prompt could say"
    ]


def test_a_class_that_a_file_forgot_is_told_with_the_name_that_may_be_meant(tmp_path: Path):
    write_prompts(tmp_path / "mine.csv", {"owl": ("an owl",), "airplan": ("an airplane in the sky",)})
    heard = Listening()
    with running(tmp_path, watcher=heard) as run:
        words = prompts_of(run, GivenPrompts(file=str(tmp_path / "mine.csv")), train(("owl", "airplane")), WISH)
    assert words == {0: ("an owl",), 1: ("a photo of an airplane",)}
    assert "Did you mean 'airplan'" in heard.notes[0]


def test_classes_of_every_sort_of_name_have_prompts_of_their_own(tmp_path: Path):
    words = said(tmp_path, LexiconPrompts(), ODD)
    assert [len(words[label]) for label in range(5)] == [3] * 5
    assert all("Turkey" in prompt for prompt in words[2])
    assert all("turkey" in prompt for prompt in words[3])
    assert all("Bär" in prompt for prompt in words[1])


def test_a_thousand_classes_have_prompts_and_one_softmax(tmp_path: Path):
    classes = tuple(f"thing number {n}" for n in range(1000))
    with running(tmp_path) as run:
        words = prompts_of(run, LexiconPrompts(), train(classes), WISH)
        [row] = run.map(among("zoo:diorama/clip", classes), [squares(tmp_path, 1).samples[0].image])
    assert len({words[n][0] for n in range(1000)}) == 1000
    assert not isinstance(row, Failed)
    assert len(row) == 1000
    assert sum(row) == pytest.approx(1, abs=1e-4)

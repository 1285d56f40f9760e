"""The model under test as a person's own function: theirs to write, ours to tell what went wrong."""

import sys
from pathlib import Path
from typing import Any

import pytest

from counterfactory.classify.tested import FunctionModel, model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.keys import key
from counterfactory.run import Run
from counterfactory.types import Failed
from squares import CLASSES, squares, worker

SCORES = """
import numpy as np

def score(images):
    rows = np.stack([np.asarray(image, float).mean((0, 1)) for image in images])
    return rows / rows.sum(1, keepdims=True)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own; modules that are imported from it are forgotten."""
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if (tmp_path / name.partition(".")[0]).with_suffix(".py").exists() or (tmp_path / name.split(".")[0]).is_dir():
            del sys.modules[name]


def told(folder: Path, text: str, name: str = "mine:score", count: int = 4, **said: Any) -> list[Any]:
    """What a function says of some squares, through the machinery that runs every step."""
    (folder / "mine.py").write_text(text)
    data = squares(folder / "images", count)
    step = UnderTest(model=model_under_test({"name": name, **said}), classes=CLASSES)
    with Run(folder / "workspace" / "run", worker(folder)) as run:
        return list(run.map(step, data.samples))


def test_a_function_of_the_current_folder_is_asked_with_images(here: Path):
    rows = told(here, SCORES)
    assert [row.index(max(row)) for row in rows] == [0, 1, 2, 0]
    assert str(here) not in sys.path


def test_a_module_in_a_package_and_its_neighbours_are_found(here: Path):
    (here / "models").mkdir()
    (here / "models" / "__init__.py").write_text("")
    (here / "models" / "colours.py").write_text(
        "def score(images):\n    from mine import score\n    return score(images)\n"
    )
    assert len(told(here, SCORES, "models.colours:score")[0]) == 3


@pytest.mark.parametrize(
    "body",
    [
        "[[0.2, 0.5, 0.3]] * len(images)",
        "[{'green': 0.5, 'blue': 0.3, 'RED': 0.2}] * len(images)",
        "__import__('torch').tensor([[0.2, 0.5, 0.3]] * len(images), requires_grad=True)",
        "__import__('numpy').float32([[0.2, 0.5, 0.3]] * len(images))",
        "list(__import__('torch').tensor([[0.2, 0.5, 0.3]] * len(images)))",
        "[[__import__('torch').tensor(0.2), 0.5, 0.3]] * len(images)",
    ],
    ids=["lists", "names", "tensor", "array", "tensors", "numbers of all kinds"],
)
def test_answers_may_be_lists_names_arrays_or_tensors(here: Path, body: str):
    rows = told(here, f"def score(images):\n    return {body}\n")
    assert rows[0] == pytest.approx((0.2, 0.5, 0.3))


def test_logits_are_softmaxed_where_that_is_said(here: Path):
    text = "def score(images):\n    return [[0.0, 0.0, 3.0]] * len(images)\n"
    (row, *_) = told(here, text, scores="logits")
    assert row[2] == pytest.approx(0.9094, abs=1e-3)


def test_what_it_raises_for_one_image_is_that_image_s_row(here: Path):
    text = SCORES + "\ndef picky(images):\n"
    text += "    if any(image.getpixel((0, 0)) == BAD for image in images):\n        raise KeyError('too dark')\n"
    text += "    return score(images)\n"
    bad = worker(here).pixels.image(squares(here / "images", 4).samples[2].image).getpixel((0, 0))
    rows = told(here, f"BAD = {bad}\n{text}", "mine:picky")
    assert [isinstance(row, Failed) for row in rows] == [False, False, True, False]
    assert rows[2].reason == "mine:picky raised KeyError: 'too dark'"
    assert "mine.py" in rows[2].detail


def test_a_function_that_wants_to_end_the_program_ends_nothing(here: Path):
    text = "import sys\nTIMES = []\n\ndef rude(images):\n    TIMES.append(1)\n"
    text += "    return score(images) if len(TIMES) > 6 else sys.exit(3)\n"
    rows = told(here, SCORES + text, "mine:rude")
    assert [isinstance(row, Failed) for row in rows] == [True, True, True, False]
    assert rows[0].reason == "mine:rude raised RuntimeError: it called sys.exit(3)"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return [[0.2, 0.5, 0.3]]", "gave 1 answers for 4 images"),
        ("pass", "gave a NoneType for 4 images"),
        ("return [[2.0, 0.5, 0.3]] * len(images)", "scores: logits"),
        ("return ['cat'] * len(images)", "came as str"),
        ("return [['cat', 'dog', 'cow']] * len(images)", "no numbers"),
        ("return [[float('nan')] * 3] * len(images)", "NaN"),
        ("return [[0.5, 0.5]] * len(images)", "2 outputs without names"),
        ("return [{'red': 0.5, 'pink': 0.5}] * len(images)", "does not know green, blue"),
    ],
    ids=["too few", "none", "logits", "a word", "words", "no number", "classes", "names"],
)
def test_answers_that_cannot_be_used_are_told(here: Path, body: str, complaint: str):
    (here / "mine.py").write_text(f"def score(images):\n    {body}\n")
    step = UnderTest(model=model_under_test("mine:score"), classes=CLASSES)
    rows = step.load(worker(here))(squares(here / "images", 4).samples)
    assert len(rows) == 4
    assert all(complaint in row.reason for row in rows)


def test_it_is_known_by_the_source_of_its_module(here: Path):
    (here / "mine.py").write_text(SCORES)
    before = model_under_test("mine:score")
    assert isinstance(before, FunctionModel)
    assert key(before) == key(model_under_test("mine:score"))
    (here / "mine.py").write_text(SCORES + "# better\n")
    assert key(before) != key(model_under_test("mine:score"))
    assert key(before) != key(model_under_test({"name": "mine:score", "revision": "new weights"}))


def test_one_image_that_cannot_be_answered_ends_nothing_and_several_do(here: Path):
    picky = "\nTIMES = []\n\ndef picky(images):\n    TIMES.append(1)\n"
    (here / "mine.py").write_text(SCORES + picky + "    return score(images) if len(TIMES) == 2 else 1 / 0\n")
    samples = squares(here / "images", 4).samples
    step = UnderTest(model=model_under_test("mine:picky"), classes=CLASSES)
    assert "in this order" in step.notices(worker(here), *samples)[0]
    with pytest.raises(BadData, match="cannot be asked: mine:picky raised ZeroDivisionError"):
        step.notices(worker(here), *samples)
    with pytest.raises(BadData, match="there is no image to ask about"):
        step.notices(worker(here))


@pytest.mark.parametrize(("text", "complaint"), [("1 / 0", "ZeroDivisionError"), ("raise SystemExit(3)", "SystemExit")])
def test_a_package_that_cannot_be_imported_is_told(here: Path, text: str, complaint: str):
    (here / "package").mkdir()
    (here / "package" / "__init__.py").write_text(text)
    with pytest.raises(BadConfig, match=complaint):
        model_under_test("package.net:score")


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        ("raise SystemExit(3)\n", "mine:score", "cannot be imported: SystemExit: 3"),
        (SCORES, "mine:scores", "Did you mean 'score'"),
        (SCORES + "N = 3\n", "mine:N", "is no function but a int"),
        ("import no_such_library\n", "mine:score", "cannot be imported: ModuleNotFoundError: No module named 'no_such"),
        ("1 / 0\n", "mine:score", "cannot be imported: ZeroDivisionError"),
        (SCORES, "yours:score", "There is no module 'yours'"),
        (SCORES, "no.such.module:score", "cannot be found"),
    ],
)
def test_a_function_that_is_not_there_is_told(here: Path, text: str, name: str, complaint: str):
    (here / "mine.py").write_text(text)
    with pytest.raises((BadConfig, UnknownName), match=complaint):
        UnderTest(model=model_under_test(name), classes=CLASSES).load(worker(here))

"""The model under test as an ONNX file: what its graph says, what a person must say, and what is refused."""

import builtins
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterfactory.classify.tested import OnnxModel, model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadConfig, BadData, Unavailable
from counterfactory.keys import key
from counterfactory.types import Failed
from squares import CLASSES, squares, worker
from tiny_onnx import FLOAT, field, integer, integers, node, number, save_means, value

pytest.importorskip("onnxruntime")  # an extra

PLAIN = {"mean": [0, 0, 0], "deviation": [1, 1, 1]}


def told(folder: Path, path: Path, classes: tuple[str, ...] = CLASSES, **said: Any) -> list[Any]:
    """What a file says of five squares."""
    model = model_under_test({"name": str(path), **PLAIN, **said})
    return UnderTest(model=model, classes=classes).load(worker(folder))(squares(folder / "images", 5).samples)


def means(folder: Path) -> np.ndarray:
    """Twice the mean of each colour of the five squares, scaled down to 8 x 8 as the model gets them."""
    data = squares(folder / "images", 5)
    pixels = worker(folder).pixels.arrays([sample.image for sample in data.samples], (8, 8))
    return 2 * pixels.mean((1, 2)) / 255


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize(
    "shape",
    [("n", 3, 8, 8), (1, 3, 8, 8), (4, 3, 8, 8), ("n", 8, 8, 3)],
    ids=["any number", "one by one", "by fours", "colours last"],
)
def test_size_layout_and_batch_are_read_from_the_graph(tmp_path: Path, shape: tuple[Any, ...]):
    rows = told(tmp_path, save_means(tmp_path / "model.onnx", shape))
    assert np.allclose(rows, softmax(means(tmp_path)), atol=1e-5)
    assert [int(np.argmax(row)) for row in rows] == [0, 1, 2, 0, 1]


def test_pixels_are_normalised_as_the_file_beside_it_says(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx", end="Identity")
    said = {"size": {"height": 8, "width": 8}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "blue", "1": "green", "2": "red"}}))
    model = model_under_test({"name": str(path), "scores": "logits"})
    assert isinstance(model, OnnxModel)
    assert (model.size, model.mean, model.classes) == ((8, 8), (0.5, 0.5, 0.5), ("blue", "green", "red"))
    data = squares(tmp_path / "images", 5)
    rows = UnderTest(model=model, classes=CLASSES).load(worker(tmp_path))(data.samples)
    normalised = 2 * (means(tmp_path) / 2 - 0.5) / 0.25
    assert np.allclose(np.array(rows)[:, ::-1], softmax(normalised), atol=1e-4)
    assert key(model) != key(model_under_test({"name": str(path), "scores": "logits", "mean": [0, 0, 0]}))
    assert model_under_test(str(tmp_path)) == model_under_test(str(path))  # the only one in its folder


def test_a_graph_of_bytes_gets_bytes(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx", is_raw=True)
    model = model_under_test(str(path))
    rows = UnderTest(model=model, classes=CLASSES).load(worker(tmp_path))(squares(tmp_path / "images", 5).samples)
    assert np.allclose(rows, softmax(255 * means(tmp_path)), atol=1e-4)


def test_equal_bytes_each_time_where_a_worker_asks_for_them(tmp_path: Path):
    path, data = save_means(tmp_path / "model.onnx"), squares(tmp_path / "images", 5)
    step = UnderTest(model=model_under_test({"name": str(path), **PLAIN}), classes=CLASSES)
    exact = replace(worker(tmp_path), deterministic=True)
    assert step.load(exact)(data.samples) == step.load(exact)(data.samples)


def test_the_key_follows_the_file_s_content(tmp_path: Path):
    one, other = save_means(tmp_path / "one.onnx"), save_means(tmp_path / "other.onnx")
    names = [model_under_test({"name": str(path), **PLAIN}) for path in (one, other)]
    assert key(names[0]) == key(names[1])
    save_means(other, end="Identity")
    assert key(names[0]) != key(model_under_test({"name": str(other), **PLAIN}))


def test_scores_that_are_no_probabilities_are_failed_rows_that_say_what_to_do(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx", end="Identity")
    rows = told(tmp_path, path)
    assert all(isinstance(row, Failed) and "scores: logits" in row.reason for row in rows)
    assert np.allclose(told(tmp_path, path, scores="logits"), softmax(means(tmp_path)), atol=1e-5)


def test_outputs_and_classes_must_be_as_many(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx")
    with pytest.raises(BadData, match="3 outputs without names and the data have 2 classes"):
        told(tmp_path, path, classes=("red", "green"))
    named = model_under_test({"name": str(path), **PLAIN, "classes": ["red", "green"]})
    with pytest.raises(BadConfig, match="3 outputs and 2 names"):
        UnderTest(model=named, classes=CLASSES).load(worker(tmp_path))


@pytest.mark.parametrize(
    ("shape", "said", "complaint"),
    [
        (("n", "c", "h", "w"), {"size": [8, 8]}, "layout: channels first"),
        (("n", 3, "h", "w"), {}, r"size: \[224, 224\]"),
        (("n", 1, 8, 8), {}, "expected 3 colours"),
        (("n", 3), {}, "expected one batch of images"),
        (("n", 3, 8, 8), {"mean": None}, "does not say how its pixels are normalised"),
    ],
    ids=["layout", "size", "grey", "no images", "normalisation"],
)
def test_what_the_graph_leaves_open_must_be_said(
    tmp_path: Path, shape: tuple[Any, ...], said: dict[str, Any], complaint: str
):
    path = tmp_path / "model.onnx"
    save_flat(path) if len(shape) == 2 else save_means(path, shape)
    with pytest.raises(BadConfig, match=complaint):
        told(tmp_path, path, **said)


def save_flat(path: Path) -> Path:
    """A graph whose input is a table."""
    graph = field(1, node("Softmax", ["x"], ["y"])) + field(2, b"flat")
    graph += field(11, value("x", FLOAT, ("n", 3))) + field(12, value("y", FLOAT, ("n", 3)))
    path.write_bytes(number(1, 8) + field(7, graph) + field(8, number(2, 13)))
    return path


def test_what_the_graph_leaves_open_can_be_said(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx", ("n", "c", "h", "w"), out="k")
    rows = told(tmp_path, path, size=[8, 8], layout="channels first")
    assert np.allclose(rows, softmax(means(tmp_path)), atol=1e-5)


def test_settings_that_no_picture_can_have_are_refused(tmp_path: Path):
    path = save_means(tmp_path / "model.onnx")
    for odd in ({"resample": 17}, {"crop": -1}, {"crop": 0}):
        with pytest.raises(BadConfig, match="is not allowed"):
            model_under_test({"name": str(path), **odd})
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 5000}))
    with pytest.raises(BadConfig, match="5000 is not allowed"):
        model_under_test(str(path))


def test_a_graph_that_fails_at_its_first_question_is_told(tmp_path: Path):
    nodes = [
        node("ReduceMean", ["x"], ["m"], integers("axes", (2, 3)), integer("keepdims", 0)),
        node("Add", ["x", "m"], ["d"]),  # sides that do not fit
        node("ReduceMean", ["d"], ["y"], integers("axes", (2, 3)), integer("keepdims", 0)),
    ]
    graph = b"".join(field(1, each) for each in nodes) + field(2, b"unfit")
    graph += field(11, value("x", FLOAT, ("n", 3, "h", "w"))) + field(12, value("y", FLOAT, ("n", 3)))
    (tmp_path / "model.onnx").write_bytes(number(1, 8) + field(7, graph) + field(8, number(2, 13)))
    said = {"name": str(tmp_path / "model.onnx"), "size": [8, 8], **PLAIN}
    step = UnderTest(model=model_under_test(said), classes=CLASSES)
    with pytest.raises(BadData, match="The model under test cannot be asked: "):
        step.notices(worker(tmp_path), *squares(tmp_path / "images", 2).samples)


def test_a_damaged_file_and_several_in_a_folder_are_told(tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BadConfig, match=r"cannot be opened as an ONNX model"):
        told(tmp_path, tmp_path / "model.onnx")
    (tmp_path / "other.onnx").write_bytes(b"no model")
    with pytest.raises(BadConfig, match="holds 2 ONNX files"):
        model_under_test(str(tmp_path))
    with pytest.raises(BadConfig, match="no ONNX file"):
        model_under_test(str(tmp_path / "none.onnx"))


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *rest, **more)

    path = save_means(tmp_path / "model.onnx")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable, match=r"pip install 'counterfactory\[onnx\]'"):
        told(tmp_path, path)

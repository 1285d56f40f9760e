"""The model under test as saved weights: its classes brought together with the data's, and what is refused."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from counterfactory.classify.labels import match, read_labels
from counterfactory.classify.predict import Classify
from counterfactory.classify.scores import probabilities
from counterfactory.classify.tested import SavedModel, is_segmenter, model_under_test
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import key
from counterfactory.run import Run
from counterfactory.types import Artifact, Failed
from squares import CLASSES, squares, worker


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of ours that tells the squares."""
    folder = tmp_path_factory.mktemp("trained")
    trainer = ClassifierTrainer(model={"width": 4}, steps=30, size=16)
    trainer.fit(worker(folder), folder / "model", {"train": squares(folder / "images", 12)})
    return folder / "model"


def save_tiny(folder: Path, kind: str = "ResNetForImageClassification", **changes: Any) -> Path:
    """A random network of a real class, as the hub would hold it."""
    import transformers

    said = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "layer_type": "basic", **changes}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        getattr(transformers, kind)(transformers.ResNetConfig(**said)).save_pretrained(folder)
    return folder


def named(*names: str) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


def test_probabilities_are_those_of_the_classifier_in_the_data_s_order(tmp_path: Path, trained: Path):
    data = squares(tmp_path / "images", 6)
    order = ("blue", "Red", "green")
    step = UnderTest(model=model_under_test(str(trained)), classes=order)
    told = step.load(worker(tmp_path))(data.samples)
    plain = Classify(classifier=str(trained)).load(worker(tmp_path))([sample.image for sample in data.samples])
    assert np.allclose(told, np.array(plain)[:, [2, 0, 1]])
    assert step.notices(worker(tmp_path), data.samples[0]) == ()


def test_it_runs_as_any_step_and_a_picture_that_is_damaged_is_a_failed_row(tmp_path: Path, trained: Path):
    data = squares(tmp_path / "images", 4)
    (tmp_path / "images" / "train-1.png").write_bytes(b"no image")
    with Run(tmp_path / "workspace" / "run", worker(tmp_path)) as run:
        told = list(run.map(UnderTest(model=model_under_test(str(trained)), classes=CLASSES), data.samples))
    assert [isinstance(each, Failed) for each in told] == [False, True, False, False]
    assert sum(told[0]) == pytest.approx(1)


def test_an_artifact_is_a_model_too(tmp_path: Path):
    data = squares(tmp_path / "images", 6)
    with Run(tmp_path / "workspace" / "run", worker(tmp_path)) as run:
        artifact = run.fit(ClassifierTrainer(model={"width": 4}, steps=2, size=16), train=data)
        (told, *_) = run.map(UnderTest(model=model_under_test(artifact), classes=CLASSES), data.samples[:1])
    assert len(told) == 3
    assert model_under_test({"name": artifact}) == SavedModel(name=Artifact(kind="classifier", key=artifact.key))


def test_several_classes_of_the_model_may_mean_one_of_the_data(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", **named("scarlet", "crimson", "green", "blue"))
    data = squares(tmp_path / "images", 2)
    labels = {"Scarlet": "red", "crimson": "red"}
    merged = UnderTest(model=model_under_test(str(folder)), classes=CLASSES, labels=labels)
    own = UnderTest(model=model_under_test(str(folder)), classes=("scarlet", "crimson", "green", "blue"))
    (row,), (whole,) = (step.load(worker(tmp_path))(data.samples[:1]) for step in (merged, own))
    assert row == pytest.approx((whole[0] + whole[1], whole[2], whole[3]))
    assert key(merged) != key(own)


def test_where_the_model_knows_more_classes_its_surest_other_one_comes_last(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", **named("red", "pink", "green", "grey", "blue"))
    data = squares(tmp_path / "images", 1)
    (row,) = UnderTest(model=model_under_test(str(folder)), classes=CLASSES).load(worker(tmp_path))(data.samples)
    names = ("red", "pink", "green", "grey", "blue")
    (whole,) = UnderTest(model=model_under_test(str(folder)), classes=names).load(worker(tmp_path))(data.samples)
    assert row == pytest.approx((whole[0], whole[2], whole[4], max(whole[1], whole[3])))


def test_classes_that_the_model_does_not_know_are_named_with_both_sides(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", **named("red", "pink", "blue"))
    step = UnderTest(model=model_under_test(str(folder)), classes=CLASSES)
    with pytest.raises(BadData, match=r"does not know green .* 3 classes \(red, pink, blue\).* \(red, green, blue\)"):
        step.load(worker(tmp_path))


def test_a_model_without_names_is_taken_in_order_with_a_notice_or_not_at_all(tmp_path: Path):
    folder, data = save_tiny(tmp_path / "model", num_labels=3), squares(tmp_path / "images", 1)
    step = UnderTest(model=model_under_test(str(folder)), classes=CLASSES)
    (notice,) = step.notices(worker(tmp_path), data.samples[0])
    assert notice == "The model has no class names: its 3 outputs are taken as red, green, blue, in this order."
    fewer = UnderTest(model=model_under_test(str(folder)), classes=("red", "blue"))
    with pytest.raises(BadData, match=r"3 outputs without names and the data have 2 classes \(red, blue\)"):
        fewer.load(worker(tmp_path))
    mapped = UnderTest(model=model_under_test(str(folder)), classes=CLASSES, labels={"rot": "red"})
    with pytest.raises(BadConfig, match="has no class names"):
        mapped.load(worker(tmp_path))


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ({"rde": "red"}, r"names 'rde', and the model knows .* Did you mean 'red'"),
        ({"red": "blu"}, r"makes 'red' 'blu', and the data have .* Did you mean 'blue'"),
    ],
)
def test_a_label_map_that_names_what_is_not_there_is_refused(labels: dict[str, str], complaint: str):
    with pytest.raises(BadConfig, match=complaint):
        match(("red", "green", "blue"), 3, CLASSES, labels)


def test_a_label_map_is_a_file_of_names(tmp_path: Path):
    path = tmp_path / "labels.yaml"
    path.write_text("tabby cat: cat\n0: zero\nSiamese: cat\n")
    assert read_labels(path) == {"tabby cat": "cat", "0": "zero", "Siamese": "cat"}
    path.write_text("cat: [tabby, siamese]\n")
    with pytest.raises(BadConfig, match="'cat' is given"):
        read_labels(path)
    with pytest.raises(BadConfig, match="no configuration file"):
        read_labels(tmp_path / "none.yaml")


def test_pickled_weights_are_refused_in_one_sentence(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", num_labels=3)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    for model in (str(folder), str(folder / "pytorch_model.bin")):
        with pytest.raises(BadConfig, match=r"pytorch_model.bin is a pickle.*safetensors: model.save_pretrained"):
            UnderTest(model=model_under_test(model), classes=CLASSES).load(worker(tmp_path))


def test_a_model_s_own_code_never_runs_whatever_a_person_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = save_tiny(tmp_path / "model", **named(*CLASSES))
    said = json.loads((folder / "config.json").read_text())
    theirs = {"AutoConfig": "theirs.Config", "AutoModelForImageClassification": "theirs.Network"}
    (folder / "config.json").write_text(json.dumps({**said, "model_type": "theirs", "auto_map": theirs}))
    (folder / "theirs.py").write_text("raise AssertionError('it ran')\n")
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(BadConfig, match="contains custom code"):
        UnderTest(model=model_under_test(str(folder)), classes=CLASSES).load(worker(tmp_path))


def edit(path: Path, **changes: Any) -> None:
    """Other words in a JSON file."""
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**said, **changes}))


@pytest.mark.parametrize(
    ("file", "changes", "complaint"),
    [
        ("config.json", "[]", "config.json holds a list; expected an object"),
        ("config.json", {"id2label": {"0": "red", "1": "green"}}, "does not hold such a model"),
        ("config.json", {"hidden_sizes": "many"}, "does not hold such a model"),
        ("preprocessor_config.json", "{bad", "preprocessor_config.json is not JSON"),
        ("preprocessor_config.json", {"size": {"longest_edge": 32}}, "made ready .KeyError: 'shortest_edge'"),
        ("preprocessor_config.json", {"size": [32, 32]}, "made ready .TypeError"),
        ("preprocessor_config.json", {"size": None}, "made ready .TypeError"),
        ("preprocessor_config.json", {"resample": 17}, "made ready .ValueError: 17 is not a valid Resampling"),
        ("preprocessor_config.json", {"resample": "bilinear"}, "made ready .ValueError"),
        ("preprocessor_config.json", {"image_mean": 0.5}, "made ready .TypeError"),
        ("calibration.json", {}, "holds the temperature None; expected a number above 0"),
        ("calibration.json", {"temperature": 0}, "holds the temperature 0; expected a number above 0"),
        ("model.safetensors", "cut off", "does not hold such a model"),
    ],
)
def test_a_damaged_model_is_met_with_one_sentence(tmp_path: Path, file: str, changes: Any, complaint: str):
    folder = save_tiny(tmp_path / "model", **named(*CLASSES))
    edit(folder / file, **changes) if isinstance(changes, dict) else (folder / file).write_text(changes)
    with pytest.raises(BadConfig, match=complaint):
        assert opened(folder, tmp_path)


def opened(folder: Path, place: Path) -> Any:
    """A classifier under test, as a recipe opens it."""
    assert not is_segmenter(SavedModel(name=str(folder)))
    return UnderTest(model=model_under_test(str(folder)), classes=CLASSES).load(worker(place))


def test_a_checkpoint_for_another_task_would_make_its_answers_up_and_is_refused(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", kind="ResNetModel", num_labels=3)
    with pytest.raises(BadConfig, match=r"no weights for 2 parts of such a model, classifier\.1\.bias"):
        UnderTest(model=model_under_test(str(folder)), classes=CLASSES).load(worker(tmp_path))


def test_a_folder_without_weights_and_a_name_of_nothing_are_told(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadConfig, match="there are no weights in it"):
        UnderTest(model=model_under_test(str(tmp_path / "empty")), classes=CLASSES).load(worker(tmp_path))
    for name in ("", "no such thing", "model.onnx", "nowhere/model.pt"):
        with pytest.raises(BadConfig):
            model_under_test(name)
    with pytest.raises(BadConfig, match="scores"):
        model_under_test({"name": str(tmp_path / "empty"), "scores": "logits"})


def test_the_same_weights_under_another_name_are_the_same_work(tmp_path: Path):
    one, other = (save_tiny(tmp_path / name, **named(*CLASSES)) for name in ("one", "other"))
    keys = {key(UnderTest(model=model_under_test(str(folder)), classes=CLASSES)) for folder in (one, other)}
    assert len(keys) == 1


def test_logits_become_probabilities_only_where_somebody_says_so():
    logits = np.array([2.0, -1.0, 0.0])
    with pytest.raises(BadData, match=r"no probabilities: from -1 to 2, together 1\. .*scores: logits"):
        probabilities(logits, "it", are_logits=False)
    assert probabilities(logits, "it", are_logits=True) == pytest.approx(np.exp(logits) / np.exp(logits).sum())
    assert probabilities(logits + 1e4, "it", are_logits=True).sum() == pytest.approx(1)
    assert probabilities(np.array([0.5, 0.501]), "it", are_logits=False).sum() == pytest.approx(1)
    for odd in (np.array([np.nan, 1]), np.array([]), np.array([[1.0]])):
        with pytest.raises(BadData):
            probabilities(odd, "it", are_logits=True)


def test_nothing_heavy_is_needed_to_say_what_is_tested():
    code = "import sys, counterfactory.classify.under_test; print(*{'torch', 'onnxruntime'} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not told.split()


def test_loading_says_nothing_by_itself(tmp_path: Path):
    folder = save_tiny(tmp_path / "model", **named(*CLASSES))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        UnderTest(model=model_under_test(str(folder)), classes=CLASSES).load(worker(tmp_path))

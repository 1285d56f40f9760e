"""The zoo's two classifiers: what each has seen, and that others load them."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoImageProcessor, AutoModelForImageClassification

from counterfactory.data.diorama.splits import read
from counterfactory.data.diorama.world import CLASSES
from counterfactory.zoo.classifying import SEED, usual_scenes
from counterfactory.zoo.train import main
from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_model_under_test_has_seen_usual_scenes_alone(split: str):
    samples = usual_scenes(split, 200).samples
    assert len(samples) == 200
    assert {sample.attributes["unusual"] for sample in samples} == {""}
    assert {sample.attributes["class"] for sample in samples} == set(CLASSES) - {UNSEEN_CLASS}
    assert not {(sample.attributes["class"], sample.attributes["surface"]) for sample in samples} & set(UNSEEN_PAIRS)


def test_it_has_not_seen_the_scenes_of_a_persons_data_set():
    sets = read("train=300,validation=100,test=100").splits.values()
    theirs = {sample.image for dataset in sets for sample in dataset.samples}
    ours = usual_scenes("train", 300).samples + usual_scenes("validation", 100).samples
    assert not theirs & {sample.image for sample in ours}
    assert read("seed=0").splits.keys() == read(f"seed={SEED}").splits.keys()


@pytest.mark.parametrize("model", ["classifier", "classifier_usual"])
def test_the_command_trains_a_classifier_that_transformers_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str
):
    main(["--model", model, "--minutes", "0.01", "--folder", str(tmp_path), "--scenes", "40", "--batch", "4"])
    numbers = json.loads(capsys.readouterr().out)
    assert {"test", "test-unusual", "test-uniform", "temperature"} <= numbers.keys()
    with safe_open(tmp_path / model / "model.safetensors", "pt") as file:
        assert file.get_tensor("classifier.1.weight").dtype == torch.float16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = AutoModelForImageClassification.from_pretrained(tmp_path / model)
        AutoImageProcessor.from_pretrained(tmp_path / model)
    assert loaded.dtype == torch.float32
    assert tuple(loaded.config.id2label.values()) == CLASSES
    assert len(loaded(torch.zeros(1, 3, 64, 64)).logits[0]) == len(CLASSES)

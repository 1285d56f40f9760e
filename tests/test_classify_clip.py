"""CLIP with a linear head: before it learns, it must say what CLIP says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from counterfactory.classify.models import ClipHead
from counterfactory.classify.predict import Evaluate
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadConfig
from squares import CLASSES, squares, worker


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random CLIP whose words are letters."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    words = {word: number for number, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**shape, "vocab_size": len(words), "eos_token_id": words["<|endoftext|>"], "bos_token_id": 52},
        vision_config={**shape, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(folder)
    said = {
        "size": {"shortest_edge": 32},
        "do_center_crop": True,
        "crop_size": 32,
        "image_mean": [0.5] * 3,
        "image_std": [0.25] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def trained(clip: Path, folder: Path, rate: float) -> tuple[Path, dict[str, float]]:
    trainer = ClassifierTrainer(
        model=ClipHead(name=str(clip), views=2), steps=20, evaluate_every=10, learning_rate=rate, calibrate=False
    )
    datasets = {"train": squares(folder, 18), "validation": squares(folder, 9, "validation")}
    return folder / "artifact", dict(trainer.fit(worker(folder), folder / "artifact", datasets))


def test_an_untrained_head_says_what_clip_says(clip: Path, tmp_path: Path):
    from PIL import Image
    from transformers import CLIPModel, CLIPTokenizer

    folder, _ = trained(clip, tmp_path, rate=1e-12)
    test = squares(tmp_path, 5, "test")
    [ours] = Evaluate(classifier=str(folder)).load(worker(tmp_path))([test])
    images = np.stack([np.asarray(Image.open(s.image.place.removeprefix("file:"))) for s in test.samples])
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    texts = CLIPTokenizer.from_pretrained(clip)(
        [f"a photo of a {name}" for name in CLASSES], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = CLIPModel.from_pretrained(clip).eval()(pixel_values=pixels, **texts).logits_per_image.softmax(1)
    assert np.allclose(theirs, ours["probabilities"], atol=1e-4)


def test_the_head_learns_and_its_saved_form_says_the_same(clip: Path, tmp_path: Path):
    folder, numbers = trained(clip, tmp_path, rate=0.01)
    [found] = Evaluate(classifier=str(folder)).load(worker(tmp_path))([squares(tmp_path, 9, "validation")])
    loss = -np.log(found["probabilities"][np.arange(9), found["targets"]]).mean()
    assert loss == pytest.approx(numbers["validation_loss"], rel=1e-3)
    assert numbers["parameters"] == 8 * 3 + 3


def test_the_tower_beside_the_head_is_plain(clip: Path, tmp_path: Path):
    from transformers import CLIPModel, CLIPVisionModelWithProjection

    folder, _ = trained(clip, tmp_path, rate=0.01)
    ours = CLIPVisionModelWithProjection.from_pretrained(folder).state_dict()
    theirs = CLIPModel.from_pretrained(clip).state_dict()
    assert all(tensor.equal(theirs[name]) for name, tensor in ours.items())


def test_another_model_is_refused(tmp_path: Path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BadConfig, match="'bert' model; clip-head needs a CLIP"):
        trained(tmp_path / "bert", tmp_path, rate=1)

"""Segmenters: small ones that are trained here, any checkpoint under test, and the zoo's own."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoModelForSemanticSegmentation

from counterfactory.classify.masks import VOID, class_mask, mask_classes
from counterfactory.classify.segment_fitting import lit, moved
from counterfactory.classify.segment_train import SegmentTrainer
from counterfactory.classify.segment_under_test import SegmenterUnderTest, counted
from counterfactory.data.diorama.splits import read
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import digest
from counterfactory.metrics.segmentation import confusion, counts, mean_overlap, overlaps
from counterfactory.pixels import Pixels
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Address, Dataset, Failed, Sample
from counterfactory.worker import Worker
from counterfactory.zoo.train import main

CLASSES = ("ground", "red", "blue")
SHORT = Schedule(images=1600, batch_size=8, learning_rate=1e-2, rise=5, smoothing=0.9)
TINY = {"widths": (8, 8, 8), "neck": 8, "size": 32}


def put(folder: Path, name: str, pixels: np.ndarray) -> Address:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


def patches(folder: Path, count: int, split: str = "train", size: int = 32) -> Dataset:
    """A red or a blue patch on noise, and which pixels are of which."""
    generator = np.random.default_rng(sum(split.encode()))
    samples = []
    for number in range(count):
        pixels = generator.integers(60, 120, (size, size, 3), np.uint8)
        mask = np.zeros((size, size), np.uint8)
        left, top = generator.integers(0, size // 2, 2)
        at = np.s_[top : top + size // 2, left : left + size // 2]
        pixels[at][..., 0 if number % 2 == 0 else 2] = 250
        mask[at] = 1 + number % 2
        samples.append(
            Sample(
                image=put(folder, f"{split}-{number}.png", pixels),
                mask=put(folder, f"{split}-{number}-mask.png", mask),
            )
        )
    return Dataset(samples=tuple(samples), classes=CLASSES, task="segmentation", split=split)


def worker(folder: Path) -> Worker:
    return Worker(workspace=folder / "workspace", processes=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmenter")
    data = {"train": patches(folder / "data", 40), "validation": patches(folder / "data", 8, "validation")}
    numbers = SegmentTrainer(schedule=SHORT, **TINY).fit(worker(folder), folder / "model", data)
    assert numbers["pixels_right"] > 0.9
    return folder / "model"


def ask(folder: Path, model: Path | str, data: Dataset, **said: Any) -> list[Any]:
    step = SegmenterUnderTest(**{"model": str(model), "classes": data.classes, **said})
    return step.load(worker(folder))(data.samples)


def save_segformer(folder: Path, **labels: Any) -> Path:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[2, 1],
        hidden_sizes=[8, 8],
        patch_sizes=[3, 3],
        strides=[2, 2],
        num_attention_heads=[1, 1],
        mlp_ratios=[1, 1],
        decoder_hidden_size=8,
        **labels,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        SegformerForSemanticSegmentation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 32, "width": 32}}))
    return folder


def test_a_trained_one_finds_patches_it_has_not_seen(trained: Path, tmp_path: Path):
    data = patches(tmp_path, 10, "test")
    answers = ask(tmp_path, trained, data)
    assert mean_overlap(np.stack([answer["counts"] for answer in answers])) > 0.75
    found = worker(tmp_path).pixels.mask(answers[0]["mask"])
    true = worker(tmp_path).pixels.mask(data.samples[0].mask)
    assert found.shape == (32, 32)
    assert counts(confusion(true, found, 3)).tolist() == answers[0]["counts"].tolist()


def test_transformers_opens_its_folder_without_a_word(trained: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = AutoModelForSemanticSegmentation.from_pretrained(trained)
    assert tuple(model.config.id2label.values()) == CLASSES
    assert model(torch.zeros(1, 3, 32, 32)).logits.shape == (1, 3, 32, 32)
    with safe_open(trained / "model.safetensors", "pt") as file:
        assert file.get_tensor("decode_head.classifier.weight").dtype == torch.float16
    assert not (trained / "training").exists()


def test_the_same_training_gives_the_same_bytes(tmp_path: Path):
    trainer = SegmentTrainer(schedule=SHORT.model_copy(update={"images": 64}), **TINY)
    data = {"train": patches(tmp_path / "data", 8)}
    for name in ("one", "two"):
        trainer.fit(worker(tmp_path), tmp_path / name, data)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_training_goes_on_from_a_segmenter_of_the_same_classes(trained: Path, tmp_path: Path):
    trainer = SegmentTrainer(
        schedule=SHORT.model_copy(update={"images": 16, "learning_rate": 1e-6}), start=str(trained)
    )
    data = patches(tmp_path / "data", 8)
    trainer.fit(worker(tmp_path), tmp_path / "more", {"train": data})
    fresh = patches(tmp_path / "data", 6, "test")
    before, after = (
        mean_overlap(np.stack([answer["counts"] for answer in ask(tmp_path, model, fresh)]))
        for model in (trained, tmp_path / "more")
    )
    assert after == pytest.approx(before, abs=0.1)
    other = replace(data, classes=("ground", "red", "green"))
    with pytest.raises(BadData, match="Both must name the same classes"):
        trainer.fit(worker(tmp_path), tmp_path / "other", {"train": other})


def test_any_checkpoint_answers_at_the_image_s_own_size(tmp_path: Path):
    labels = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: n for n, name in enumerate(CLASSES)}}
    folder = save_segformer(tmp_path / "model", **labels)
    data = patches(tmp_path / "data", 3, size=48)
    answers = ask(tmp_path, folder, data)
    assert worker(tmp_path).pixels.mask(answers[0]["mask"]).shape == (48, 48)
    assert answers[0]["counts"][1].sum() == 48 * 48


def test_names_are_brought_together_as_those_of_classifiers_are(tmp_path: Path):
    names = ("soil", "grass", "red", "blue", "sky")
    folder = save_segformer(tmp_path / "model", id2label=dict(enumerate(names)), label2id={})
    data = patches(tmp_path / "data", 2)
    with pytest.raises(BadData, match="does not know ground of the data"):
        ask(tmp_path, folder, data)
    (first, _) = ask(tmp_path, folder, data, labels={"soil": "ground", "grass": "ground"})
    found = worker(tmp_path).pixels.mask(first["mask"])
    assert set(np.unique(found)) <= {0, 1, 2, VOID}
    unnamed = save_segformer(tmp_path / "unnamed", num_labels=3)
    step = SegmenterUnderTest(model=str(unnamed), classes=CLASSES)
    assert step.notices(worker(tmp_path)) == (
        "The model has no class names: its 3 outputs are taken as ground, red, blue, in this order.",
    )


def test_masks_that_do_not_fit_are_failed_rows(trained: Path, tmp_path: Path):
    data = patches(tmp_path, 5)
    small, colour, beyond = np.zeros((8, 8), np.uint8), np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 9, np.uint8)
    masks = [put(tmp_path, f"odd-{at}.png", pixels) for at, pixels in enumerate((small, colour, beyond))]
    samples = [replace(sample, mask=mask) for sample, mask in zip(data.samples, [*masks, None], strict=False)]
    with Run(tmp_path / "workspace" / "run", worker(tmp_path)) as run:
        told = list(run.map(SegmenterUnderTest(model=str(trained), classes=CLASSES), [*samples, data.samples[4]]))
    reasons = [each.reason for each in told if isinstance(each, Failed)]
    assert len(reasons) == 4
    assert "has 8 x 8 pixels and the image 32 x 32" in reasons[0]
    assert "is a colour picture" in reasons[1]
    assert "holds 9, and there are only 3 classes" in reasons[2]
    assert "has no mask" in reasons[3]
    assert told[4]["counts"].shape == (3, 3)


def test_what_holds_no_segmenter_is_refused(trained: Path, tmp_path: Path):
    from transformers import SegformerConfig, SegformerModel

    config = SegformerConfig(num_encoder_blocks=1, depths=[1], sr_ratios=[1], hidden_sizes=[8], num_attention_heads=[1])
    SegformerModel(config).save_pretrained(tmp_path / "half")
    with pytest.raises(BadConfig, match="no weights for"):
        ask(tmp_path, tmp_path / "half", patches(tmp_path, 1))
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BadConfig, match="is a pickle"):
        ask(tmp_path, tmp_path / "pickled", patches(tmp_path, 1))
    with pytest.raises(BadConfig, match="There are 300 classes"):
        SegmenterUnderTest(model=str(trained), classes=tuple(map(str, range(300)))).load(worker(tmp_path))
    nothing = Dataset(samples=(), classes=CLASSES, task="segmentation")
    with pytest.raises(BadData, match="has no images"):
        SegmentTrainer(schedule=SHORT).fit(worker(tmp_path), tmp_path / "model", {"train": nothing})


def test_outlines_of_labelled_things_are_classes_on_a_background():
    data = read("train=6,validation=0,test=0").splits["train"]
    classes = mask_classes(data)
    assert classes == ("background", *data.classes)
    sample = data.samples[3]
    mask = class_mask(sample, Pixels(), classes)
    outline = Pixels().mask(sample.mask) if sample.mask else None
    assert set(np.unique(mask)) == {0, 4}
    assert ((mask == 4) == (outline == 255)).all()


def test_void_pixels_count_nowhere():
    true, found = np.array([[0, 1, VOID, 1]]), np.array([[0, 0, 1, VOID]])
    assert counted(true, found, 2).tolist() == [[1, 0], [1, 2], [2, 0]]
    assert overlaps(counted(true, found, 2)[None]).tolist() == [0.5, 0]
    assert counted(true, found, 2).tolist() == counts(confusion(true, found, 2)).tolist()


def test_pictures_and_masks_move_together():
    x = torch.arange(32.0 * 24).view(1, 1, 32, 24).expand(6, 3, -1, -1)
    classes = x[:, 0].long()
    moved_x, moved_classes = moved(x, classes, torch.Generator().manual_seed(1))
    assert moved_x.shape == x.shape
    assert torch.equal(moved_x[:, 0].long(), moved_classes)
    assert not torch.equal(moved_classes[0], moved_classes[1])
    middle = classes[0, 8:24, 8:16]
    assert all(torch.isin(middle, part).all() for part in moved_classes)  # what is not near the edge stays in sight
    lighter = lit(torch.full((2, 3, 4, 4), 0.5), torch.Generator().manual_seed(0))
    assert lighter.amin() >= 0.4
    assert lighter.amax() <= 0.6


def test_the_command_trains_the_zoo_s_segmenter(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(["--model", "segmenter", "--minutes", "0.001", "--folder", str(tmp_path), "--scenes", "24", "--batch", "4"])
    numbers = json.loads(capsys.readouterr().out)
    assert {"test", "test-unusual", "test-uniform", "pixels_right", "seconds", "images"} <= numbers.keys()
    assert numbers["parameters"] < 500_000
    model = AutoModelForSemanticSegmentation.from_pretrained(tmp_path / "segmenter")
    assert model.config.id2label[0] == "background"
    assert model.config.num_labels == 11

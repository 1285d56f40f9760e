"""What ships of trained models, and the command that makes all of them from nothing."""

import json
from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from counterfactory import shipped
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.names import model_folder
from counterfactory.zoo import pack as packing
from counterfactory.zoo import rebuild
from counterfactory.zoo.cards import PARTS
from counterfactory.zoo.order import NUMBERS
from counterfactory.zoo.pack import pack
from counterfactory.zoo.train import MODELS
from policy import ROOT
from tiny_zoo import save_trainings

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trainings(tmp_path_factory.mktemp("trainings"))


def test_what_can_be_loaded_ships_with_a_card_and_what_is_missing_is_said(
    trainings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "weights" / "diorama"
    told = pack(trainings, out)
    assert "classifier: no finished training" in "\n".join(told)
    monkeypatch.setattr(shipped, "WEIGHTS", out.parent)
    assert model_folder("zoo:diorama") == out
    assert "zoo:diorama/controlnet-edges" in shipped.shipped_names()
    assert not [path for path in out.rglob("*") if path.name in {"training", "checkpoint.safetensors", NUMBERS}]
    card = (out / "clip" / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "1,234 images seen in 1 minutes" in card
    assert "a bus on sand" in card
    assert "| psnr | 28.12 |" in card
    assert "| mask: iou | 0.5 |" in card
    assert "| kept from it | nothing |" in (out / "judge" / "README.md").read_text()
    listed = json.loads((out / "checksums.json").read_text())
    assert set(listed) == {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} - {"checksums.json"}


def test_plain_diffusers_draws_from_what_was_packed(trainings: Path, tmp_path: Path):
    pack(trainings, tmp_path / "diorama")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "diorama")
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline("a red bus on grass in the rain", num_inference_steps=2).images
    assert image.size == (16, 16)


def test_packing_again_keeps_the_models_that_are_not_finished_now(trainings: Path, tmp_path: Path):
    out = tmp_path / "diorama"
    pack(trainings, out)
    (out / "clip" / "stale.json").write_text("{}")
    held = (trainings / "captioner" / NUMBERS).rename(trainings / "held.json")
    try:
        told = pack(trainings, out)
    finally:
        held.rename(trainings / "captioner" / NUMBERS)
    assert any("captioner" in line and "what was packed before stays" in line for line in told)
    assert (out / "captioner" / "config.json").exists()
    assert not (out / "clip" / "stale.json").exists()
    assert sorted(tmp_path.iterdir()) == [out]  # nothing half done beside it


def test_what_is_too_large_is_refused_and_what_was_there_stays(
    trainings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "diorama"
    pack(trainings, out)
    before = (out / "checksums.json").read_bytes()
    monkeypatch.setattr(packing, "LARGEST", 100)
    with pytest.raises(BadData, match=r"Too large to ship: .*\.safetensors"):
        pack(trainings, out)
    monkeypatch.setattr(packing, "LARGEST", 2**30)
    monkeypatch.setattr(packing, "WHOLE", 1000)
    with pytest.raises(BadData, match="the largest is"):
        pack(trainings, out)
    assert (out / "checksums.json").read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("builder", [WheelBuilder, SdistBuilder])
def test_the_package_carries_weights_settings_words_and_cards(tmp_path: Path, builder: type):
    for name in ("pyproject.toml", ".gitignore", "README.md", "LICENSE", "NOTICE"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    world = tmp_path / "src" / "counterfactory" / "zoo" / "weights" / "diorama"
    (world / "tokenizer").mkdir(parents=True)
    files = ("model.safetensors", "config.json", "README.md", "tokenizer/merges.txt", "tokenizer/vocab.json")
    for name in files:
        (world / name).write_text("x")
    carried = {Path(file.path) for file in builder(str(tmp_path)).recurse_included_files()}
    assert {world / name for name in files} <= carried


def test_every_model_has_a_share_of_the_time_and_a_place():
    assert set(MODELS) == set(rebuild.SHARES) == {part.model for part in PARTS} | {"clip_first"}
    assert sum(rebuild.SHARES.values()) == pytest.approx(1)


def test_the_time_is_shared_in_the_order_of_training():
    minutes = rebuild.plan(MODELS, 600)
    assert list(minutes) == list(MODELS)
    assert sum(minutes.values()) == pytest.approx(600)
    assert rebuild.plan(["latent", "autoencoder"], 48) == pytest.approx({"autoencoder": 8, "latent": 40})
    with pytest.raises(UnknownName, match="Did you mean 'captioner'"):
        rebuild.plan(["captoner"], 1)
    with pytest.raises(BadConfig, match="--minutes 0"):
        rebuild.plan(MODELS, 0)


def test_a_rebuild_that_is_given_again_trains_nothing_twice(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    out = tmp_path / "weights" / "diorama"
    said = ["--models", "judge", "--minutes", "0.001", "--scenes", "11", "--batch", "1", "--device", "cpu"]
    said += ["--folder", str(tmp_path / "zoo"), "--out", str(out)]
    rebuild.main(said)
    assert "judge: 0.0 minutes." in capfd.readouterr().out
    assert (out / "judge" / "model.safetensors").exists()
    rebuild.main(said)
    told = capfd.readouterr().out
    assert "judge: trained before." in told
    assert "autoencoder: no finished training" in told

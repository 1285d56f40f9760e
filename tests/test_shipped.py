"""The names of the models that ship, and files of theirs that are missing or damaged."""

import json
import shutil
from pathlib import Path

import pytest

from counterfactory import shipped
from counterfactory.doctor import examine
from counterfactory.errors import BadConfig, Unavailable, UnknownName
from counterfactory.names import identity, model_folder
from counterfactory.shipped import shipped_names

FILES = {
    "model_index.json": json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "X"]}),
    "README.md": "the card",
    "unet/model.safetensors": "weights of the unet",
    "unet/README.md": "its card",
    "clip/model.safetensors": "weights of the clip",
    "scheduler/scheduler_config.json": "{}",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something packed."""
    folder = tmp_path / "weights" / "diorama"
    said = {}
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        said[name] = {"size": len(text), "digest": shipped.file_digest(path).hex()}
    (folder / "checksums.json").write_text(json.dumps(said))
    monkeypatch.setattr(shipped, "WEIGHTS", folder.parent)
    return folder


def test_the_world_and_its_parts_with_weights_have_names(world: Path):
    assert shipped_names() == ["zoo:diorama", "zoo:diorama/clip", "zoo:diorama/unet"]
    assert model_folder("zoo:diorama") == world
    assert model_folder("zoo:diorama/clip") == world / "clip"


def test_a_shipped_model_and_a_folder_that_holds_the_same_are_one(world: Path, tmp_path: Path):
    copy = shutil.copytree(world / "unet", tmp_path / "mine")
    assert identity("zoo:diorama/unet") == identity(str(copy)) != identity("zoo:diorama/clip")


def test_a_companion_does_not_change_what_the_pipeline_is(world: Path):
    before = identity("zoo:diorama")
    said = json.loads((world / "checksums.json").read_text())
    said["clip/model.safetensors"]["digest"] = "00"
    (world / "checksums.json").write_text(json.dumps(said) + "\n")
    assert identity("zoo:diorama") == before
    said["unet/model.safetensors"]["digest"] = "00"
    (world / "checksums.json").write_text(json.dumps(said) + "\n\n")
    assert identity("zoo:diorama") != before


def test_the_nearest_part_is_told(world: Path):
    with pytest.raises(UnknownName, match="Did you mean 'zoo:diorama/clip'"):
        model_folder("zoo:diorama/clp")
    with pytest.raises(UnknownName, match="Did you mean 'zoo:diorama'"):
        identity("zoo:doirama")
    with pytest.raises(BadConfig, match="Did you mean 'zoo:diorama'"):
        model_folder("zoo.diorama")


def test_a_missing_file_is_named_with_the_remedy(world: Path):
    (world / "unet" / "model.safetensors").unlink()
    with pytest.raises(Unavailable, match=r"unet/model\.safetensors is missing\..*git checkout"):
        model_folder("zoo:diorama")
    assert model_folder("zoo:diorama/clip")  # nothing else is touched


def test_a_file_of_another_size_or_content_is_damaged(world: Path):
    weights = world / "clip" / "model.safetensors"
    assert model_folder("zoo:diorama/clip")
    weights.write_text(FILES["clip/model.safetensors"][:-1])
    with pytest.raises(Unavailable, match="18 bytes instead of 19"):
        model_folder("zoo:diorama/clip")
    weights.write_text(FILES["clip/model.safetensors"].upper())
    with pytest.raises(Unavailable, match="not what was packed"):
        model_folder("zoo:diorama/clip")


def test_damaged_checksums_are_named(world: Path):
    (world / "checksums.json").write_text("{]")
    with pytest.raises(Unavailable, match=r"checksums\.json is damaged"):
        model_folder("zoo:diorama")


def test_an_installation_without_weights_says_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path / "none")
    with pytest.raises(Unavailable, match=r"holds no zoo.*counterfactory\.zoo\.rebuild"):
        model_folder("zoo:diorama")


def test_doctor_says_whether_the_zoo_is_whole(world: Path):
    found = {finding.what: finding for finding in examine(world)}["zoo"]
    assert found.fine
    assert found.seen == "3 models, whole"
    (world / "clip" / "model.safetensors").write_text("half")
    found = {finding.what: finding for finding in examine(world)}["zoo"]
    assert not found.fine
    assert "clip/model.safetensors is damaged" in found.remedy

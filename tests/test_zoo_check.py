"""`counterfactory models check`, from end to end on a tiny zoo that has learnt nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from command_line import Answer, call
from counterfactory import shipped
from counterfactory.zoo.check.layout import overlap
from counterfactory.zoo.pack import pack
from tiny_zoo import save_trainings

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

QUICK = ("--prompts", 4, "--steps", 1, "--json")
FACTORS = {"class", "colour", "surface", "weather", "time"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What would ship."""
    folder = tmp_path_factory.mktemp("zoo")
    pack(save_trainings(folder / "trainings"), folder / "weights" / "diorama")
    return folder / "weights"


@pytest.fixture
def installed(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped, "WEIGHTS", weights)
    return weights / "diorama"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


def check(capsys: pytest.CaptureFixture[str], workspace: Path, *words: object) -> Answer:
    return call(capsys, "models", "check", *words, *QUICK, "--workspace", workspace)


def test_the_whole_zoo_is_checked_and_a_check_again_draws_nothing(
    installed: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
):
    answer = check(capsys, workspace)
    assert answer.code == 0, answer.err
    said = answer.json
    assert set(said["faithfulness"]) == FACTORS
    assert {"edits", "layout", "likeness", "captions", "retrieval", "samples", "autoencoder", "sizes", "speed"} < set(
        said
    )
    assert said["not_measured"] == []
    assert "Draw: " in answer.err
    page = Path(said["report"]).read_text(encoding="utf-8")
    assert "What was found, and what is wanted" in page
    assert "Kept from the training: bus on sand" in page
    again = check(capsys, workspace)
    assert again.json["faithfulness"] == said["faithfulness"]
    assert "Draw: " not in again.err


def test_a_folder_without_companions_is_checked_as_far_as_it_goes(
    installed: Path, tmp_path: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "alone"
    names = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    for name in names:
        shutil.copytree(installed / name, folder / name)
    shutil.copy(installed / "model_index.json", folder)
    answer = check(capsys, workspace, folder)
    assert answer.code == 0, answer.err
    assert len(answer.json["not_measured"]) == 5
    page = Path(answer.json["report"]).read_text(encoding="utf-8")
    assert "knows another world" in page


def test_a_companion_of_another_pipeline_is_told_and_the_others_are_measured(
    installed: Path, tmp_path: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
):
    folder = shutil.copytree(installed, tmp_path / "mixed")
    (folder / "ip_adapter" / "ip-adapter.safetensors").unlink()
    answer = check(capsys, workspace, folder)
    assert answer.code == 0, answer.err
    (told,) = answer.json["not_measured"]
    assert "likeness: not measured." in told
    assert "ip-adapter.safetensors" in told


def test_without_a_judge_nothing_is_drawn(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    answer = check(capsys, tmp_path / "runs", "--judge", "zoo:diorama/jugde")
    assert answer.code == 2
    assert "Did you mean 'zoo:diorama/judge'?" in answer.err
    assert answer.json["error"] == "UnknownName"


def test_a_folder_that_is_no_pipeline_is_refused(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    answer = check(capsys, tmp_path / "runs", tmp_path)
    assert answer.code == 2
    assert "is no pipeline: expected a model_index.json" in answer.err


def test_models_lists_what_ships(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    answer = call(capsys, "models", "--json", "--workspace", tmp_path)
    rows = {row["name"]: row["kind"] for row in answer.json["models"]}
    assert rows["zoo:diorama"] == "StableDiffusionPipeline"
    assert rows["zoo:diorama/clip"] == "CLIPModel"
    assert rows["zoo:diorama/ddpm"] == "DDPMPipeline"
    assert "zoo:diorama/scheduler" not in rows


def test_a_damaged_file_stops_the_check_with_its_name(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    world = shutil.copytree(installed, tmp_path / "weights" / "diorama")
    monkeypatch.setattr(shipped, "WEIGHTS", world.parent)
    path = world / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    answer = check(capsys, tmp_path / "runs")
    assert answer.code == 2
    assert f"{path} is damaged" in answer.err
    assert "git checkout" in answer.err
    assert json.loads(answer.out.splitlines()[-1])["error"] == "Unavailable"


def test_masks_overlap_by_what_both_cover_over_what_either_does():
    left, upper = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, :2], upper[:2] = True, True
    assert overlap(left, left) == 1
    assert overlap(left, ~left) == 0
    assert overlap(left, upper) == pytest.approx(4 / 12)
    assert overlap(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1

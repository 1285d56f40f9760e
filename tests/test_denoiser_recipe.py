"""`counterfactory train --recipe denoiser`: from a folder of pictures to a model that explanations take."""

import pickle
from pathlib import Path

import pytest
import torch

from command_line import call
from counterfactory.diffusion.pixel import build, training_chain
from counterfactory.diffusion.pixel_network import unet
from counterfactory.diffusion.sampling import open_denoiser
from counterfactory.diffusion.trainers import PixelNetwork
from counterfactory.recipes import denoiser
from counterfactory.recipes.denoiser import Denoiser
from counterfactory.training.schedule import Schedule
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


@pytest.fixture(autouse=True)
def _short_shows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(denoiser, "SHOWN", 3)
    monkeypatch.setattr("counterfactory.diffusion.pixel.STEPS", 3)


def test_the_command_leaves_a_folder_that_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["train", "diorama:train=32,validation=8,test=1", "--recipe", "denoiser", "--preset", "tiny"]
    words += ["--workspace", tmp_path, "--name", "mine", "--set", "trainer.schedule.images=64"]
    words += ["--set", "trainer.times=40", "--set", "trainer.noising=linear", "--json"]
    answer = call(capsys, *words)
    assert answer.code == 0, answer.err
    assert {"noise_error", "bound", "seconds", "parameters"} <= answer.json["numbers"].keys()
    model = open_denoiser(str(tmp_path / "mine" / "model"))
    assert (model.shape, len(model.power)) == ((3, 16, 16), 40)
    assert "on the validation split; of nothing learnt: 1." in (tmp_path / "mine/report/index.html").read_text()
    again = call(capsys, *words).json
    assert again["numbers"] == answer.json["numbers"]
    listed = call(capsys, "models", "--workspace", tmp_path, "--json").json["models"]
    where = {"kind": "denoiser", "where": "trained by the run mine"}
    assert {"name": str(tmp_path / "mine" / "model"), **where} in listed


def test_a_training_tells_how_far_it_is_and_its_worker_travels_without_who_watches(tmp_path: Path):
    told: list[tuple[int, int]] = []
    watched = Worker(workspace=tmp_path, tell=lambda done, total: told.append((done, total)))  # a lambda cannot travel
    schedule = Schedule(images=64, batch_size=2)
    trainer = Denoiser.tiny().trainer.model_copy(update={"schedule": schedule})
    trainer.fit(watched, tmp_path / "model", {"train": seen_scenes("train", 8, 16)})
    assert told == [(32, 64), (64, 64)]
    assert pickle.dumps(watched)


def test_the_published_network_is_the_one_that_is_known_by_its_size():
    paper, code = Denoiser.paper().trainer, Denoiser.paper_code().trainer
    with torch.device("meta"):
        network = unet(paper.network, paper.size)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 105.2  # million, as DiME's
    assert len(training_chain(paper, "cpu")) == 500
    assert (paper.bound_weight, code.bound_weight) == (None, 1.0)


def test_a_network_may_change_sizes_in_blocks_that_hear_the_time():
    shape = PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4, resample="resnet")
    tiny = Denoiser.tiny().trainer.model_copy(update={"network": shape})
    named = build(tiny).state_dict().keys()
    assert "down_blocks.0.downsamplers.0.time_emb_proj.weight" in named
    assert "up_blocks.0.upsamplers.0.time_emb_proj.weight" in named

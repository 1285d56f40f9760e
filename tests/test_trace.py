"""The trace of pictures with which a drawing of a class begins."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from companions import data, save_base, worker
from counterfactory.diffusion.adapted import CLASS_ENCODER, AdaptationTrainer, epoch_folder
from counterfactory.diffusion.class_encoder import load_class_encoder, save_class_encoder
from counterfactory.diffusion.drawing import Parts, draw, open_parts
from counterfactory.diffusion.schedulers import scheduler_like
from counterfactory.diffusion.seeing import with_classes
from counterfactory.diffusion.trace import GRID, Trace, traced
from counterfactory.errors import BadConfig
from counterfactory.recipes.datagen import Datagen
from counterfactory.training.schedule import Schedule
from counterfactory.types import Request

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

BRIEF = Schedule(epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def parts(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A pipeline with a class encoder as training leaves it."""
    folder = tmp_path_factory.mktemp("adapted")
    step = AdaptationTrainer(base=str(base), schedule=BRIEF, tokens=4)
    step.fit(worker(folder), folder / "it", {"train": data()["train"]})
    return with_classes(open_parts(str(base), "cpu"), epoch_folder(folder / "it", 1))


def looks(trace: Trace, label: int, count: int = 4000) -> torch.Tensor:
    return torch.cat([trace.drawn(label, (GRID, GRID), torch.Generator().manual_seed(seed)) for seed in range(count)])


def test_it_is_spread_as_the_pictures_of_a_class_are():
    chance = np.random.default_rng(0)
    labels = np.arange(3000) % 3
    light = chance.normal(size=(3000, 1, 1, 1)) * np.array([1.0, -0.5, 0.0])[:, None, None]  # two channels go together
    latents = labels[:, None, None, None] + light + 0.1 * chance.normal(size=(3000, 3, 8, 8))
    rows = np.arange(1, 3000)
    drawn = looks(traced(latents.astype(np.float16), rows, labels[rows], 3), 2)
    assert drawn.shape == (4000, 3, GRID, GRID)
    assert torch.allclose(drawn.mean((0, 2, 3)), torch.tensor([2.0, 2.0, 2.0]), atol=0.08)
    shares = drawn.mean((2, 3)).T.cov()
    wanted = torch.tensor([[1.0, -0.5, 0.0], [-0.5, 0.25, 0.0], [0.0, 0.0, 0.0]])
    assert torch.allclose(shares, wanted, atol=0.06)


def test_deviations_behind_the_latents_are_left_out_and_one_picture_a_class_is_enough():
    latents = np.ones((2, 8, 4, 4), np.float16)
    latents[1, :4] = 3
    latents[:, 4:] = 50
    trace = traced(latents, np.arange(2), np.arange(2), 4)
    assert torch.allclose(looks(trace, 1, 2), torch.tensor(3.0), atol=1e-3)
    assert trace.drawn(0, (12, 20), torch.Generator()).shape == (1, 4, 12, 20)


def test_a_drawing_of_a_class_begins_with_it_and_one_of_words_does_not(parts: Parts):
    assert parts.classes.trace.means.shape == (len(data()["train"].classes), 4, GRID, GRID)
    far = Trace(means=torch.full_like(parts.classes.trace.means, 50.0), root=parts.classes.trace.root)
    of_class, of_words = (
        [Request(prompt="", label=label, seed=label) for label in (0, 1)],
        [Request(prompt="a dog", seed=2)],
    )
    begun, plain = _with(parts, far), _with(parts, None)
    assert not torch.allclose(draw(begun, of_class, 2), draw(plain, of_class, 2), atol=0.05)
    assert torch.equal(draw(begun, of_words, 2), draw(plain, of_words, 2))
    assert torch.allclose(draw(begun, of_class[1:], 2)[0], draw(begun, of_class, 2)[1], atol=1e-5)  # whatever beside


@pytest.mark.parametrize("name", ["ddim", "dpm++", "euler"])
def test_every_scheduler_lays_its_own_first_noise_over_it(parts: Parts, name: str):
    own = replace(parts, scheduler=scheduler_like(parts.scheduler, name))
    flat = Trace(means=torch.zeros_like(parts.classes.trace.means), root=torch.zeros_like(parts.classes.trace.root))
    asked = [Request(prompt="", label=1, seed=3)]
    plain, begun = (draw(_with(own, trace), asked, 3) for trace in (None, flat))
    assert torch.allclose(plain, begun, atol=0.1)  # but for the little that noise shares with a trace


def test_it_is_kept_beside_the_class_encoder_and_a_damaged_one_is_refused(parts: Parts, tmp_path: Path):
    save_class_encoder(parts.classes, tmp_path)
    again = load_class_encoder(tmp_path).trace
    assert torch.equal(again.means, parts.classes.trace.means)
    assert torch.equal(again.root, parts.classes.trace.root)
    (tmp_path / "trace.safetensors").write_bytes(b"cut")
    with pytest.raises(BadConfig, match="no class encoder that can be read"):
        load_class_encoder(tmp_path)


def test_without_it_drawings_begin_with_noise_as_published(base: Path, tmp_path: Path):
    step = AdaptationTrainer(base=str(base), schedule=BRIEF, tokens=4, trace=False)
    step.fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    assert load_class_encoder(epoch_folder(tmp_path / "it", 1) / CLASS_ENCODER).trace is None
    assert not Datagen.paper().generator.encoder.trace
    assert Datagen.default().generator.encoder.trace


def _with(parts: Parts, trace: Trace | None) -> Parts:
    encoder = deepcopy(parts.classes)
    encoder.trace = trace
    return replace(parts, classes=encoder)

"""Adapting a pipeline to classes: what learns and what stays, every epoch kept, exact resume, odd data."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from companions import COURSE, SIZE, data, killed_at, save_base, worker
from counterfactory.diffusion import adaptation
from counterfactory.diffusion.adaptation import Data
from counterfactory.diffusion.adapted import (
    CLASS_ENCODER,
    LORA,
    UNET,
    AdaptationTrainer,
    Adapted,
    epoch_folder,
    epochs,
)
from counterfactory.diffusion.class_encoder import load_class_encoder
from counterfactory.diffusion.drawing import draw, open_parts
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.foundation import open_frozen
from counterfactory.diffusion.latents import drawn_from, encode, kept_moments, load_autoencoder
from counterfactory.diffusion.seeing import with_classes
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import digest, key
from counterfactory.run import Run
from counterfactory.testing import TrainerContract
from counterfactory.training import fitting
from counterfactory.training.pictures import to_tensor
from counterfactory.training.schedule import Schedule
from counterfactory.types import Address, Dataset, Request, Sample
from counterfactory.worker import Worker
from squares import squares
from tiny_pipelines import full_autoencoder, save_flux, save_inpainting, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

BRIEF = Schedule(epochs=3, batch_size=8, learning_rate=1e-2, rise=1, fall=1, lowest=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def first(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage leaves."""
    folder = tmp_path_factory.mktemp("first")
    trainer(base).fit(worker(folder), folder / "adapted", {"train": data()["train"]})
    return folder / "adapted"


def trainer(base: Path, **more: Any) -> AdaptationTrainer:
    return AdaptationTrainer.model_validate({"base": str(base), "schedule": BRIEF, "tokens": 4, **more})


def second(base: Path, first: Path, **more: Any) -> AdaptationTrainer:
    return trainer(base, stage="denoiser", start={"model": str(first)}, **more)


def left(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weights(epoch: Path, part: str) -> dict[str, torch.Tensor]:
    (path,) = (path for path in (epoch / part).glob("*.safetensors") if path.stem != "trace")
    return load_file(path)


class TestContract(TrainerContract):
    @pytest.fixture(autouse=True)
    def _base(self, base: Path) -> None:
        self.base = base

    def trainer(self) -> AdaptationTrainer:
        return trainer(self.base)

    def datasets(self, folder: Path) -> Mapping[str, Dataset]:
        return {"train": squares(folder, 12)}


def test_every_epoch_is_kept_and_drawn_from(base: Path, tmp_path: Path):
    with Run(tmp_path / "run", worker(tmp_path)) as run:
        artifact = run.fit(trainer(base), train=data()["train"])
        assert artifact.numbers["epochs"] == [1, 2, 3]
        folder = run.worker.artifact(artifact)
        assert not (folder / "training").exists()
        drawn = []
        for epoch in (1, 2, None):
            step = Diffuse(pipeline=str(base), classes=Adapted(model=artifact, epoch=epoch), steps=1)
            drawn += run.map(step, [Request(prompt="", seed=0, label=1)])
    assert all(isinstance(sample, Sample) for sample in drawn)
    assert len({sample.image for sample in drawn}) == 3
    assert {path.name for path in epoch_folder(folder, 3).iterdir()} == {CLASS_ENCODER}


def test_an_adaptation_tells_how_far_it_is_in_one_unit(base: Path, tmp_path: Path):
    told: list[tuple[int, int]] = []
    watched = Worker(workspace=tmp_path, tell=lambda done, total: told.append((done, total)))
    trainer(base).fit(watched, tmp_path / "adapted", {"train": data()["train"]})
    images = 3 * len(data()["train"].samples)
    assert told[-1] == (images, images)
    assert {total for _, total in told} == {images}


@pytest.mark.parametrize(("every", "kept"), [(2, [2, 4, 5]), (3, [3, 5]), (9, [5])])
def test_epochs_are_kept_as_often_as_is_said_and_the_last_always(
    base: Path, tmp_path: Path, every: int, kept: list[int]
):
    schedule = BRIEF.model_copy(update={"epochs": 5})
    trainer(base, every=every, schedule=schedule).fit(
        worker(tmp_path), tmp_path / "it", {"train": squares(tmp_path, 6)}
    )
    assert epochs(tmp_path / "it") == kept


def test_in_the_first_stage_only_the_encoder_learns(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    learn = adaptation.learn
    monkeypatch.setattr(adaptation, "learn", lambda lesson, *rest: (seen.append(lesson), learn(lesson, *rest))[1])
    trainer(base).fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    assert [type(lesson.module).__name__ for lesson in seen] == ["ClassEncoder"]
    before = adaptation.begun(open_parts(str(base), "cpu"), trainer(base), data()["train"].classes, SIZE)
    after = load_class_encoder(epoch_folder(tmp_path / "it", 3) / CLASS_ENCODER)
    moved = (after.table.weight - before.table.weight).abs().amax(1)
    shown = {sample.target for sample in data()["train"].samples}
    assert all(moved[label] > 1e-3 for label in shown)
    assert moved[-1] > 1e-3  # that of no class learns too


def test_labels_that_are_never_left_unsaid_leave_no_class_as_it_was(base: Path, tmp_path: Path):
    trainer(base, unsaid=0).fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    before = adaptation.begun(open_parts(str(base), "cpu"), trainer(base), data()["train"].classes, SIZE)
    after = load_class_encoder(epoch_folder(tmp_path / "it", 3) / CLASS_ENCODER)
    assert torch.allclose(after.table.weight[-1], before.table.weight[-1], atol=1e-3)


@pytest.mark.parametrize("rank", [None, 2])
def test_in_the_second_stage_the_denoiser_learns_and_the_encoder_stays(
    base: Path, first: Path, tmp_path: Path, rank: int | None
):
    numbers = second(base, first, rank=rank).fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    last, part = epoch_folder(tmp_path / "it", 3), LORA if rank else UNET
    assert {path.name for path in last.iterdir()} == {CLASS_ENCODER, part}
    before, after = (weights(epoch_folder(folder, 3), CLASS_ENCODER) for folder in (first, tmp_path / "it"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    moved = weights(last, part)
    begun = weights(base, UNET)
    if rank:
        assert any(tensor.any() for name, tensor in moved.items() if "lora_B" in name)
        assert numbers["parameters"] == sum(tensor.numel() for tensor in moved.values())
    else:
        assert all(not torch.equal(moved[name], begun[name]) for name in begun if name.endswith("weight"))


def test_a_lora_is_laid_into_the_network_and_plain_diffusers_loads_it(base: Path, first: Path, tmp_path: Path):
    step = second(base, first, rank=2, schedule=BRIEF.model_copy(update={"learning_rate": 0.1}))
    step.fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    last = epoch_folder(tmp_path / "it", 3)
    plain, adapted = open_parts(str(base), "cpu"), with_classes(open_parts(str(base), "cpu"), last)
    assert not any("lora" in name for name, _ in adapted.unet.named_parameters())
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    pipeline.load_lora_weights(last / LORA)
    z, time, text = torch.randn(2, 4, 4, 4), torch.tensor(500), torch.randn(2, 5, 16)
    with torch.no_grad():
        without, ours, theirs = (network(z, time, text).sample for network in (plain.unet, adapted.unet, pipeline.unet))
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(ours, without, atol=1e-3)


def test_a_stage_goes_on_from_any_epoch_of_another(base: Path, first: Path, tmp_path: Path):
    """An encoder's epoch, then a LoRA's, which goes on as a LoRA or becomes part of all weights."""
    start = Adapted(model=str(first), epoch=1)
    shown = {"train": data()["train"]}
    site = worker(tmp_path)
    brief = BRIEF.model_copy(update={"epochs": 1})
    trainer(base, start=start, schedule=brief).fit(site, tmp_path / "more", shown)
    assert load_class_encoder(epoch_folder(tmp_path / "more", 1) / CLASS_ENCODER).settings.tokens == 4
    second(base, first, rank=2, schedule=brief).fit(site, tmp_path / "lora", shown)
    second(base, tmp_path / "lora", rank=2, schedule=brief).fit(site, tmp_path / "on", shown)
    second(base, tmp_path / "lora", schedule=brief).fit(site, tmp_path / "whole", shown)
    trainer(base, start={"model": str(tmp_path / "lora")}, schedule=brief).fit(site, tmp_path / "back", shown)
    parts = {
        name: {path.name for path in epoch_folder(tmp_path / name, 1).iterdir()} for name in ("on", "whole", "back")
    }
    assert parts == {"on": {CLASS_ENCODER, LORA}, "whole": {CLASS_ENCODER, UNET}, "back": {CLASS_ENCODER, LORA}}
    lora, on, back = (weights(epoch_folder(tmp_path / name, 1), LORA) for name in ("lora", "on", "back"))
    assert all(torch.equal(lora[name], back[name]) for name in lora)
    assert any(not torch.equal(lora[name], on[name]) for name in lora)
    with pytest.raises(BadConfig, match="has a LoRA of rank 2"):
        second(base, tmp_path / "lora", rank=3).fit(site, tmp_path / "wrong", shown)


@pytest.mark.parametrize("stage", ["encoder", "lora", "denoiser"])
def test_a_killed_training_ends_byte_equal_to_one_that_was_not(
    base: Path, first: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fitting, "Site", partial(fitting.Site, save_seconds=0))
    long = BRIEF.model_copy(update={"epochs": 7, "batch_size": 6})  # of four steps each, in two stretches of 16
    step = {
        "encoder": trainer(base, schedule=long),
        "lora": second(base, first, rank=2, schedule=long),
        "denoiser": second(base, first, schedule=long),
    }[stage]
    dataset = {"train": data()["train"]}
    step.fit(worker(tmp_path), tmp_path / "whole", dataset)
    for dies_at in (6, 21) if stage == "encoder" else (21,):  # between two epochs, before and after a checkpoint
        folder = tmp_path / str(dies_at)
        with killed_at(dies_at):
            step.fit(worker(tmp_path), folder, dataset)
        assert epochs(folder) == list(range(1, dies_at // 4 + 1))
        step.fit(worker(tmp_path), folder, dataset)
        assert left(folder) == left(tmp_path / "whole")


def test_gradient_checkpointing_spares_memory_and_changes_nothing(base: Path, first: Path, tmp_path: Path):
    cases = {CLASS_ENCODER: trainer(base), UNET: second(base, first)}
    for part, step in cases.items():
        spared = step.model_copy(update={"gradient_checkpointing": True})
        assert key(spared) == key(step)
        spared.fit(worker(tmp_path), tmp_path / part, {"train": data()["train"]})
    step.fit(worker(tmp_path), tmp_path / "plain", {"train": data()["train"]})
    for ours, theirs in ((tmp_path / CLASS_ENCODER, first), (tmp_path / UNET, tmp_path / "plain")):
        one, other = (
            weights(epoch_folder(folder, 3), part) for folder, part in ((ours, ours.name), (theirs, ours.name))
        )
        assert all(torch.allclose(one[name].float(), other[name].float(), atol=2e-3) for name in one)


def test_sixteen_bits_are_the_worker_s_to_say(base: Path, tmp_path: Path):
    site = replace(worker(tmp_path), dtype="bfloat16")
    trainer(base).fit(site, tmp_path / "it", {"train": data()["train"]})
    assert torch.isfinite(load_class_encoder(epoch_folder(tmp_path / "it", 3) / CLASS_ENCODER).table.weight).all()


def test_sdxl_is_adapted_with_its_summaries(tmp_path: Path):
    base = save_sdxl(tmp_path / "sdxl")
    dataset = {"train": data()["train"]}
    trainer(base).fit(worker(tmp_path), tmp_path / "one", dataset)
    second(base, tmp_path / "one", rank=2).fit(worker(tmp_path), tmp_path / "two", dataset)
    parts = with_classes(open_parts(str(base), "cpu"), epoch_folder(tmp_path / "two", 3))
    assert parts.classes.settings.summary == 24
    drawn = draw(parts, [Request(prompt="", seed=0, label=0, guidance=2.0)], 2)
    assert drawn.shape == (1, 3, 16, 16)


def test_the_published_shape_learns_its_zero_vector_too(base: Path, tmp_path: Path):
    step = trainer(base, shape="published", tokens=10)
    step.fit(worker(tmp_path), tmp_path / "it", {"train": data()["train"]})
    encoder = load_class_encoder(epoch_folder(tmp_path / "it", 3) / CLASS_ENCODER)
    before = adaptation.begun(open_parts(str(base), "cpu"), step, data()["train"].classes, SIZE)
    assert (encoder.layers[0].bias - before.layers[0].bias).abs().max() > 1e-3


def test_an_adapted_pipeline_tells_classes_apart_that_the_model_never_knew(base: Path, tmp_path: Path):
    """Squares of three colours are drawn wrong by each other's contexts."""
    dataset, site = squares(tmp_path, 24, size=SIZE), worker(tmp_path)
    trainer(base).fit(site, tmp_path / "one", {"train": dataset})
    long = BRIEF.model_copy(update={"epochs": 16, "learning_rate": 1e-2})
    second(base, tmp_path / "one", schedule=long, every=16).fit(site, tmp_path / "two", {"train": dataset})
    parts, noising = open_frozen(str(base), site)
    parts = with_classes(parts, epoch_folder(tmp_path / "two", 16))
    moments = np.load(kept_moments(site, dataset, f"{base}/vae", SIZE))
    labels = np.array([sample.target for sample in dataset.samples])

    @torch.no_grad()
    def loss(told: np.ndarray) -> float:
        said = Data(parts=parts, noising=noising, moments=moments, rows=np.arange(24), labels=told, size=SIZE)
        looks = [said.loss(np.arange(24), 0.0, torch.Generator().manual_seed(look)) for look in range(8)]
        return float(torch.stack(looks).mean())

    assert loss(labels) < min(loss((labels + 1) % 3), loss((labels + 2) % 3))


def test_moments_are_kept_and_drawn_from_where_an_autoencoder_has_them(base: Path, tmp_path: Path):
    dataset, site = squares(tmp_path, 9), worker(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        full_autoencoder(4).save_pretrained(tmp_path / "full")
    kept = torch.from_numpy(np.load(kept_moments(site, dataset, str(tmp_path / "full"), SIZE))).float()
    network = load_autoencoder(str(tmp_path / "full"), "cpu")
    x_BCHW = to_tensor(site.pixels.arrays([sample.image for sample in dataset.samples], (SIZE, SIZE)))
    said = network.encode(x_BCHW).latent_dist
    assert kept.shape == (9, 8, SIZE // 2, SIZE // 2)
    assert torch.allclose(kept[:, :4], encode(network, x_BCHW), atol=5e-3)
    assert torch.allclose(kept[:, 4:], said.std * network.config.scaling_factor, atol=5e-3)
    drawn = torch.stack([drawn_from(kept, 4, torch.Generator().manual_seed(seed)) for seed in range(400)])
    assert torch.allclose(drawn.mean(0), kept[:, :4], atol=0.4)
    assert torch.allclose(drawn.std(0), kept[:, 4:], rtol=0.25)
    alone = torch.from_numpy(np.load(kept_moments(site, dataset, f"{base}/vae", SIZE)))
    assert alone.shape[1] == 4
    assert drawn_from(alone, 4, torch.Generator()) is alone


def test_grey_pictures_of_odd_sizes_and_a_class_of_one_picture_are_learnt_from(base: Path, tmp_path: Path):
    samples = []
    for number, size in enumerate([(28, 28), (7, 31), (101, 33), (28, 28), (5, 5)]):
        path = tmp_path / f"{number}.png"
        Image.effect_noise(size, 60).convert("L").save(path)
        samples.append(Sample(image=Address(digest(path.read_bytes()), f"file:{path}"), target=int(number == 4)))
    dataset = Dataset(samples=tuple(samples), classes=("many", "one"))
    numbers = trainer(base).fit(worker(tmp_path), tmp_path / "it", {"train": dataset})
    assert numbers["epochs"] == [1, 2, 3]


def test_rejected_pictures_are_not_learnt_from(base: Path, tmp_path: Path):
    dataset = replace(squares(tmp_path, 6), weights=(1.0, 1.0, 1.0, 0.0, 0.0, 0.5))
    seen: list[Any] = []

    class Watched(adaptation.Task):
        def __call__(self, team: Any) -> dict[str, Any]:
            seen.append((self.rows.tolist(), self.labels.tolist()))
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptation, "Task", Watched)
        adaptation.trained(trainer(base), worker(tmp_path), tmp_path / "it", {"train": dataset})
    assert seen == [([0, 1, 2, 5], [0, 1, 2, 2])]


def test_data_and_pipelines_that_cannot_be_learnt_from_are_refused(base: Path, first: Path, tmp_path: Path):
    dataset = squares(tmp_path, 6)
    cases: list[tuple[AdaptationTrainer, Dataset, type[Exception], str]] = [
        (trainer(base), replace(dataset, classes=(*dataset.classes, "pink")), BadData, "to learn from for pink"),
        (trainer(base), replace(dataset, task="soft-label"), BadConfig, "this data set is soft-label"),
        (trainer(base), replace(dataset, classes=("red",)), BadData, "has no class that could be learnt"),
        (trainer(base, size=18), dataset, BadConfig, "not a multiple of 4 pixels"),
        (trainer(save_inpainting(tmp_path / "holes")), dataset, BadConfig, "only paints into holes"),
        (trainer(save_flux(tmp_path / "flux")), dataset, BadConfig, "nothing learns beside"),
        (second(base, first), dataset, BadConfig, "was adapted to 10 classes .* the data have 3 classes"),
        (second(base, first, size=32), data()["train"], BadConfig, "learnt from pictures of 16 pixels, not 32"),
        (second(base, base), dataset, BadConfig, "holds no adaptation"),
    ]
    for step, shown, error, words in cases:
        with pytest.raises(error, match=words):
            step.fit(worker(tmp_path), tmp_path / "it", {"train": shown})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"stage": "denoiser"}, "start: the denoiser learns beside"),
        ({"rank": 4}, "only the denoiser learns by a LoRA"),
        ({"schedule": COURSE}, "say how long it goes on in epochs"),
        ({"tokens": 0}, "greater than or equal to 1"),
        ({"unsaid": 1.0}, "less than 1"),
    ],
)
def test_fields_that_make_no_sense_are_refused(base: Path, wrong: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        trainer(base, **wrong)

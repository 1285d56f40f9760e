"""Textual inversion: what learns and what stays, classes apart from each other, exact resume, and what is left."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from pydantic import ValidationError
from safetensors.torch import load_file

from companions import COURSE, SIZE, data, killed_at, save_base, worker
from counterfactory.diffusion import inversion
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.foundation import open_frozen
from counterfactory.diffusion.latents import encode, kept_latents, load_autoencoder
from counterfactory.diffusion.studying import Study
from counterfactory.diffusion.tokens import INDEX, kept_tokens, load_tokens
from counterfactory.diffusion.trainers import TEMPLATES, InversionTrainer
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import key
from counterfactory.run import Run
from counterfactory.testing import TrainerContract
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.fitting import Lesson, Site, train
from counterfactory.training.pictures import to_tensor
from counterfactory.training.schedule import Schedule
from counterfactory.types import Artifact, Dataset, Request, Sample
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes
from tiny_pipelines import save_flux, save_inpainting, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

BRIEF = COURSE.model_copy(update={"images": 32, "batch_size": 2, "learning_rate": 1e-2, "rise": 1, "smoothing": 0.5})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sdxl(tmp_path_factory.mktemp("sdxl"))


def few(*classes: str, shots: int = 2) -> Dataset:
    """Some pictures of some classes, which keep what they are whichever classes are there."""
    whole = data(30)["train"]
    samples = []
    for number, name in enumerate(classes):
        rows = [sample for sample in whole.samples if whole.classes[sample.target] == name]
        samples += [replace(sample, target=number) for sample in rows[:shots]]
    return Dataset(samples=tuple(samples), classes=classes)


def trainer(base: Path, **more: Any) -> InversionTrainer:
    said = {"base": str(base), "schedule": BRIEF, "size": SIZE, "scale_rate": False}
    return InversionTrainer.model_validate({**said, **more})


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def learnt(folder: Path, trainer: InversionTrainer, dataset: Dataset) -> dict[str, np.ndarray]:
    """The vectors of each class, learnt in a folder of their own."""
    name = key(trainer, dataset)
    trainer.fit(worker(folder), folder / name, {"train": dataset})
    tokens = kept_tokens(folder / name, dataset.classes)
    return {name_: load_tokens(folder / name)[token][0].numpy() for name_, token in tokens.items()}


def study(folder: Path, trainer: InversionTrainer, dataset: Dataset) -> Study:
    """What a training of all classes at once sees."""
    parts, noising = open_frozen(trainer.base, worker(folder))
    arrays = [
        np.load(kept_latents(worker(folder), dataset, f"{trainer.base}/vae", SIZE, mirrored=way))
        for way in (False, True)
    ]
    subjects = inversion._subjects(dataset)
    return Study(parts=parts, noising=noising, latents=arrays, trainer=trainer, size=SIZE, subjects=subjects)


class TestContract(TrainerContract):
    @pytest.fixture(autouse=True)
    def _base(self, base: Path) -> None:
        self.base = base

    def trainer(self) -> InversionTrainer:
        return trainer(self.base, vectors=2)

    def datasets(self, folder: Path) -> Mapping[str, Dataset]:
        return {"train": few("car", "dog", "cat")}


def test_plain_diffusers_loads_what_was_trained(base: Path, tmp_path: Path):
    numbers = trainer(base, vectors=2).fit(worker(tmp_path), tmp_path / "tokens", {"train": few("car", "dog")})
    assert not (tmp_path / "tokens" / "training").exists()
    assert set(numbers["loss"]) == {"car", "dog"}
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    said = json.loads((tmp_path / "tokens" / INDEX).read_text())
    assert said["classes"] == {"car": "<car>", "dog": "<dog>"}
    for token, file in said["tokens"].items():
        pipeline.load_textual_inversion(tmp_path / "tokens" / file, token=token)
        assert pipeline.tokenizer.convert_tokens_to_ids([token, f"{token}_1"]) != [pipeline.tokenizer.unk_token_id] * 2
    assert pipeline("a photo of <dog>", num_inference_steps=1).images[0].size == (SIZE, SIZE)


def test_an_artifact_of_tokens_is_drawn_with(base: Path, tmp_path: Path):
    with Run(tmp_path / "run", worker(tmp_path)) as run:
        tokens = run.fit(trainer(base), train=few("car", "dog"))
        assert isinstance(tokens, Artifact)
        names = kept_tokens(run.worker.artifact(tokens), ["dog"])
        step = Diffuse(pipeline=str(base), tokens=tokens, steps=1)
        (sample,) = run.map(step, [Request(prompt=f"a photo of {names['dog']}", seed=0)])
    assert isinstance(sample, Sample)


def test_only_the_new_vectors_learn(base: Path, tmp_path: Path):
    seen = study(tmp_path, trainer(base), few("car", "dog"))
    networks = (seen.parts.unet, seen.parts.text_encoder, seen.parts.autoencoder)
    before = [{name: one.clone() for name, one in network.state_dict().items()} for network in networks]
    module = seen.begun()
    seen.losses(module, 0, 2).sum().backward()
    assert [tuple(one.grad.shape) for one in module.parameters()] == [(2, 1, 16)]
    assert module[0].grad.abs().amax((1, 2)).min() > 0
    for network, known in zip(networks, before, strict=True):
        assert all(parameter.grad is None for parameter in network.parameters())
        assert all(torch.equal(one, known[name]) for name, one in network.state_dict().items())


def test_a_class_s_gradient_is_its_own(base: Path, tmp_path: Path):
    seen = study(tmp_path, trainer(base), few("car", "dog", "cat"))
    module = seen.begun()
    (gradients,) = torch.autograd.grad(seen.losses(module, 0, 2)[1], list(module.parameters()))
    assert gradients[[0, 2]].abs().max() == 0
    assert gradients[1].abs().max() > 0


def test_a_class_learns_the_same_whichever_classes_learn_beside_it(base: Path, tmp_path: Path):
    many = learnt(tmp_path, trainer(base), few("car", "dog", "cat"))
    alone = learnt(tmp_path, trainer(base), few("dog"))
    reversed_ = learnt(tmp_path, trainer(base, classes_at_once=2), few("boat", "cat", "dog", "car"))
    begun = study(tmp_path, trainer(base), few("dog")).begun()[0][0].detach().numpy()
    for found in (many, reversed_):
        assert np.allclose(found["dog"], alone["dog"], atol=1e-5)
    assert np.allclose(many["car"], reversed_["car"], atol=1e-5)
    assert np.abs(alone["dog"] - begun).max() > 1e-2


def test_no_class_s_gradient_is_shortened_by_another_s(tmp_path: Path):
    """One of two rows has gradients that are ten thousand times as long."""

    def row(rows: int, longest: float) -> torch.Tensor:
        def loss(module: Any, _rows: np.ndarray, generator: torch.Generator) -> torch.Tensor:
            wanted = torch.randn(1, 3, generator=generator).repeat(rows, 1)
            scales = torch.tensor([1.0, 1e4][:rows])[:, None]
            return (scales * (module[0] - wanted).pow(2)).sum()

        lesson = Lesson(module=torch.nn.ParameterList([torch.zeros(rows, 3)]), length=1, loss=loss, longest=longest)
        average, _ = train(lesson, BRIEF, Site(folder=tmp_path / f"{rows} {longest}"))
        return next(average.parameters())[0]

    assert torch.equal(row(2, inversion.UNBOUND), row(1, inversion.UNBOUND))
    assert not torch.allclose(row(2, 1.0), row(1, 1.0))


def test_how_many_classes_learn_at_once_is_no_part_of_the_key(base: Path):
    assert key(trainer(base, classes_at_once=1)) == key(trainer(base, classes_at_once=8))
    assert key(trainer(base, vectors=2)) != key(trainer(base))


def test_a_killed_training_ends_byte_equal_to_one_that_was_not(base: Path, tmp_path: Path):
    step, dataset = trainer(base, classes_at_once=1), {"train": few("car", "dog", "cat")}
    step.fit(worker(tmp_path), tmp_path / "whole", dataset)
    for dies_at in (40, 60):  # in the second class: each takes 16 steps and is looked at 16 times
        folder = tmp_path / str(dies_at)
        with killed_at(dies_at):
            step.fit(worker(tmp_path), folder, dataset)
        assert (folder / "training" / key(["car"]) / "checkpoint.json").exists()
        assert not (folder / INDEX).exists()
        step.fit(worker(tmp_path), folder, dataset)
        assert left(folder) == left(tmp_path / "whole")


def test_a_training_in_two_sittings_leaves_the_same_files(base: Path, tmp_path: Path):
    plateau = BRIEF.model_copy(update={"images": 16, "batch_size": 1, "rise": 32})
    short, long = trainer(base, schedule=plateau), trainer(base, schedule=plateau.model_copy(update={"images": 32}))
    for sitting in (short, long):
        inversion.trained(sitting, worker(tmp_path), tmp_path / "twice", {"train": few("car", "dog")})
    inversion.trained(long, worker(tmp_path), tmp_path / "once", {"train": few("car", "dog")})
    assert left(tmp_path / "once") == left(tmp_path / "twice")


def test_where_there_is_no_room_for_all_classes_half_as_many_learn_at_once(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    roomy = learnt(tmp_path / "roomy", trainer(base), few("car", "dog", "cat"))
    forward, largest = UNet2DConditionModel.forward, []

    def cramped(self: Any, sample: torch.Tensor, *given: Any, **more: Any) -> Any:
        if len(sample) > 2:
            raise torch.OutOfMemoryError("out of memory")
        largest.append(len(sample))
        return forward(self, sample, *given, **more)

    monkeypatch.setattr(UNet2DConditionModel, "forward", cramped)
    found = learnt(tmp_path / "cramped", trainer(base), few("car", "dog", "cat"))
    assert max(largest) == 2
    assert all(np.allclose(found[name], one, atol=1e-5) for name, one in roomy.items())


def test_sdxl_learns_vectors_for_both_of_its_encoders(sdxl: Path, tmp_path: Path):
    brief = trainer(sdxl, vectors=2, size=None, templates=("a {}",))  # its tokenizer reads 16 tokens
    brief.fit(worker(tmp_path), tmp_path / "tokens", {"train": few("car", "dog")})
    held = load_file(tmp_path / "tokens" / "car.safetensors")
    assert {name: tuple(one.shape) for name, one in held.items()} == {"clip_l": (2, 16), "clip_g": (2, 24)}
    step = Diffuse(pipeline=str(sdxl), tokens=str(tmp_path / "tokens"), steps=1)
    (sample,) = step.load(worker(tmp_path))([Request(prompt="a <car>", seed=0)])
    assert isinstance(sample, Sample)
    seen = study(tmp_path, brief, few("car"))
    module = seen.begun()
    seen.losses(module, 0, 2).sum().backward()
    assert min(one.grad.abs().max() for one in module.parameters()) > 0


def test_vectors_begin_as_the_class_s_name_or_a_given_word(base: Path, tmp_path: Path):
    named = study(tmp_path, trainer(base, vectors=3), few("dog"))
    (reader,) = named.parts.readers
    table = reader.encoder.get_input_embeddings().weight
    for begun, word in ((named, "dog"), (replace(named, trainer=trainer(base, start="grass")), "grass")):
        ids = reader.tokenizer(word, add_special_tokens=False).input_ids
        assert torch.allclose(begun.begun()[0][0], table[ids].mean(0).expand(begun.trainer.vectors, -1))


def test_a_lot_shows_each_picture_of_its_class_before_one_comes_again(base: Path, tmp_path: Path):
    seen = study(tmp_path, trainer(base, flip=0.0), few("car", "dog", shots=3))
    _, dog = seen.subjects
    own = [torch.from_numpy(seen.latents[0][row]).float() for row in dog.rows]
    for moment in range(5):
        lot = seen._lot(dog, moment, 7)
        counts = [sum(torch.equal(one, shown) for shown in lot.latents) for one in own]
        assert sum(counts) == 7
        assert set(counts) <= {2, 3}
    assert {text.text for moment in range(60) for text in seen._lot(dog, moment, 4).texts} == {
        template.replace("{}", "<dog>") for template in TEMPLATES
    }


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_mirrored_pictures_is_as_asked(base: Path, tmp_path: Path, share: float):
    seen = study(tmp_path, trainer(base, flip=share), few("car", shots=1))
    (car,) = seen.subjects
    shown = torch.cat([seen._lot(car, moment, 4).latents for moment in range(100)])
    mirrored = (shown == torch.from_numpy(seen.latents[1][0]).float()).flatten(1).all(1).float().mean().item()
    assert mirrored == pytest.approx(share, abs=0.1)


def test_latents_of_mirrored_pictures_are_kept_beside_the_others(base: Path, tmp_path: Path):
    dataset = few("car")
    paths = [kept_latents(worker(tmp_path), dataset, str(base / "vae"), SIZE, mirrored=way) for way in (False, True)]
    pictures = np.load(kept_pictures(worker(tmp_path), dataset, SIZE))
    expected = encode(load_autoencoder(str(base / "vae"), "cpu"), to_tensor(pictures[:, :, ::-1].copy()))
    assert np.allclose(np.load(paths[1]), expected.numpy(), atol=1e-2)
    assert not np.allclose(np.load(paths[0]), np.load(paths[1]), atol=1e-2)


def test_the_rate_grows_with_the_batch_and_a_budget_of_time_with_the_classes(base: Path):
    timed = Schedule(seconds=3.0, batch_size=4, learning_rate=5e-4)
    course = inversion._schedule(trainer(base, schedule=timed, scale_rate=True), 5)
    assert (course.learning_rate, course.seconds, course.images) == (2e-3, 15.0, None)
    counted = inversion._schedule(trainer(base), 5)
    assert (counted.learning_rate, counted.seconds, counted.images) == (BRIEF.learning_rate, None, BRIEF.images)


def test_classes_that_differ_in_case_and_accents_learn_apart(base: Path, tmp_path: Path):
    two = few("car", "dog", "cat")
    named = Dataset(samples=two.samples, classes=("Bär", "bär", "hot dog"))
    found = learnt(tmp_path, trainer(base), named)
    assert len({one.tobytes() for one in found.values()}) == 3
    assert len({token.lower() for token in kept_tokens(tmp_path / key(trainer(base), named), found).values()}) == 3


def test_rejected_pictures_are_not_learnt_from(base: Path):
    dataset = few("car", "dog")
    subjects = inversion._subjects(replace(dataset, weights=(0.0, 1.0, 1.0, 0.5)))
    assert [subject.rows for subject in subjects] == [(1,), (2, 3)]


@pytest.mark.parametrize(
    ("dataset", "error", "words"),
    [
        (replace(few("car", "dog"), classes=("car", "dog", "cat")), BadData, "to learn from for cat"),
        (replace(few("car", "dog"), weights=(0.0, 0.0, 1.0, 1.0)), BadData, "to learn from for car"),
        (replace(few("car"), classes=()), BadData, "has no class that could be learnt"),
        (replace(few("car"), task="soft-label"), BadConfig, "this data set is soft-label"),
    ],
)
def test_data_without_a_class_for_each_picture_and_a_picture_for_each_class_is_refused(
    base: Path, tmp_path: Path, dataset: Dataset, error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        trainer(base).fit(worker(tmp_path), tmp_path / "tokens", {"train": dataset})


def test_what_a_pipeline_cannot_learn_is_refused(base: Path, tmp_path: Path):
    holes, flux = save_inpainting(tmp_path / "holes"), save_flux(tmp_path / "flux")
    cases = [
        (trainer(holes), "only paints into holes"),
        (trainer(flux), "nothing learns beside"),
        (trainer(base, size=18), "not a multiple of 4 pixels"),
        (trainer(base, vectors=40), r"with a word of 40 vectors is longer than the 32 tokens"),
    ]
    for step, words in cases:
        with pytest.raises(BadConfig, match=words):
            step.fit(worker(tmp_path), tmp_path / "tokens", {"train": few("car")})
    with pytest.raises(BadConfig, match="finds no word in ' '"):
        trainer(base).fit(worker(tmp_path), tmp_path / "tokens", {"train": replace(few("car"), classes=(" ",))})


@pytest.mark.parametrize("wrong", [{"templates": ()}, {"templates": ("a photo",)}, {"start": " "}, {"vectors": 0}])
def test_fields_that_make_no_sense_are_refused(base: Path, wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        trainer(base, **wrong)


def test_a_token_of_the_zoo_learns_what_its_pictures_show(tmp_path: Path):
    """A word that begins as a dog comes to mean a boat: the model is less surprised by boats."""
    whole = seen_scenes("tokens", 40)
    boats = tuple(replace(s, target=0) for s in whole.samples if whole.classes[s.target] == "boat")
    dataset = Dataset(samples=boats, classes=("boat",))
    schedule = Schedule(images=128, batch_size=4, learning_rate=0.03, second_beta=0.99, rise=1, smoothing=0.9)
    step = InversionTrainer(
        base="zoo:diorama", schedule=schedule, scale_rate=False, start="dog", templates=("a {}", "a picture of a {}")
    )
    numbers = step.fit(Worker(workspace=tmp_path, processes=1), tmp_path / "tokens", {"train": dataset})
    before, after = numbers["loss"]["boat"]
    assert after < 0.97 * before

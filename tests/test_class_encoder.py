"""Class encoders: their two shapes, how they begin, what is kept of them, and drawing by a class in place of words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from companions import NETWORK, SIZE, save_base, worker
from counterfactory.diffusion.adaptation import begun
from counterfactory.diffusion.adapted import CLASS_ENCODER, AdaptationTrainer, Adapted, epoch_folder
from counterfactory.diffusion.class_encoder import (
    NO_CLASS,
    ClassEncoder,
    Settings,
    load_class_encoder,
    save_class_encoder,
)
from counterfactory.diffusion.drawing import draw, open_parts
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.prompts import heard
from counterfactory.diffusion.spelling import Saying
from counterfactory.errors import BadConfig
from counterfactory.run import Run
from counterfactory.types import Failed, Request, Sample
from tiny_pipelines import save_flux, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

CLASSES = (
    "car",
    "dog",
    "a very long name of a class that no tokenizer of sixteen or thirty-two tokens has room for" * 2,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def adapted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training would leave: two epochs that say different things."""
    folder = tmp_path_factory.mktemp("adapted")
    for epoch in (1, 2):
        encoder = made(base)
        generator = torch.Generator().manual_seed(epoch)
        encoder.table.weight += torch.randn(encoder.table.weight.shape, generator=generator)
        save_class_encoder(encoder, epoch_folder(folder, epoch) / CLASS_ENCODER)
    return folder


def made(base: Path, **said: Any) -> ClassEncoder:
    """A class encoder as it begins beside a pipeline."""
    trainer = AdaptationTrainer.model_validate({"base": str(base), "tokens": 5, **said})
    return begun(open_parts(str(base), "cpu"), trainer, CLASSES, SIZE).requires_grad_(False)


def by_class(*labels: int, **said: Any) -> list[Request]:
    return [
        Request(prompt="", seed=seed, label=label, **{"guidance": 3.0, **said}) for seed, label in enumerate(labels)
    ]


@pytest.mark.parametrize("shape", ["table", "published"])
@pytest.mark.parametrize("summary", [0, 6])
def test_each_class_has_its_own_context_and_no_class_another(shape: Any, summary: int):
    settings = Settings(classes=CLASSES, shape=shape, tokens=4, width=8, summary=summary, size=16)
    contexts, summaries = ClassEncoder(settings)(torch.tensor([0, 1, 2, NO_CLASS]))
    assert contexts.shape == (4, 4, 8)
    assert len({tuple(context.flatten().tolist()) for context in contexts}) == 4
    assert (summaries is None) if not summary else summaries.shape == (4, 6)


def test_the_published_shape_is_two_linear_layers_of_which_one_has_a_bias():
    encoder = ClassEncoder(Settings(classes=("a",) * 10, shape="published", tokens=100, width=768, size=128))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 10 * 500 + 500 + 500 * 76_800
    first, second = encoder.layers
    context, _ = encoder(torch.tensor([NO_CLASS, 3]))
    assert torch.allclose(context[0].flatten(), second(first.bias), atol=1e-5)  # what the zero vector gives
    assert torch.allclose(context[1].flatten(), second(first(torch.eye(10)[3])), atol=1e-5)


def test_what_is_saved_is_loaded(tmp_path: Path):
    encoder = ClassEncoder(Settings(classes=CLASSES, shape="table", tokens=4, width=8, summary=3, size=16))
    save_class_encoder(encoder, tmp_path)
    again = load_class_encoder(tmp_path)
    assert again.settings == encoder.settings
    assert torch.equal(again.table.weight, encoder.table.weight.half().float())
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(BadConfig, match="no class encoder that can be read"):
        load_class_encoder(tmp_path)
    with pytest.raises(BadConfig, match="no class encoder that can be read"):
        load_class_encoder(tmp_path / "nowhere")


def test_a_table_begins_as_the_names_of_the_classes(base: Path):
    parts = open_parts(str(base), "cpu")
    car, nothing = (said.each for said in heard(parts.readers, [Saying("car"), Saying("")], torch.float32))
    contexts, _ = made(base)(torch.tensor([0, NO_CLASS]))
    for context, said in zip(contexts, (car, nothing), strict=True):
        assert torch.allclose(context[:4], said[:4])
        assert torch.allclose(context[4], said[4:].mean(0))
    assert torch.allclose(made(base, tokens=1)(torch.tensor([0]))[0][0, 0], car.mean(0), atol=1e-6)
    longer, _ = made(base, tokens=40)(torch.tensor([0]))
    assert torch.equal(longer[0, :32], car)
    assert torch.equal(longer[0, 32:], car[-1:].expand(8, -1))


def test_a_table_with_all_tokens_draws_what_the_names_draw(base: Path):
    parts = open_parts(str(base), "cpu")
    words = [replace(request, prompt=CLASSES[request.label or 0]) for request in by_class(0, 1, 2)]
    ours = draw(replace(parts, classes=made(base, tokens=32)), by_class(0, 1, 2), 3)
    assert torch.allclose(ours, draw(parts, words, 3), atol=1e-5)


def test_sdxl_is_told_a_summary_too(sdxl: Path):
    parts = open_parts(str(sdxl), "cpu")
    encoder = made(sdxl, tokens=16)
    assert encoder.settings.width == 40
    assert encoder.settings.summary == 24
    assert not encoder(torch.tensor([NO_CLASS]))[0].any()  # as this pipeline learnt to hear nothing
    words = [replace(request, prompt=CLASSES[request.label or 0]) for request in by_class(0, 1)]
    ours = draw(replace(parts, classes=encoder), by_class(0, 1), 3)
    assert torch.allclose(ours, draw(parts, words, 3), atol=1e-5)


def test_a_thousand_classes_with_names_of_any_sort_have_a_row_each(base: Path):
    names = (*(f"n{number:08d}" for number in range(997)), "", "日本語", "a\nb")
    trainer = AdaptationTrainer(base=str(base))
    encoder = begun(open_parts(str(base), "cpu"), trainer, names, SIZE)
    assert encoder.table.weight.shape == (1001, 8 * NETWORK.text_width)
    assert torch.isfinite(encoder.table.weight).all()


def test_plain_diffusers_draws_with_it_in_place_of_its_text_encoder(base: Path, adapted: Path):
    encoder = load_class_encoder(epoch_folder(adapted, 2) / CLASS_ENCODER)
    pipeline = StableDiffusionPipeline.from_pretrained(base, text_encoder=None, tokenizer=None)
    pipeline.set_progress_bar_config(disable=True)
    (said, unsaid), _ = encoder(torch.tensor([1, NO_CLASS]))
    theirs = pipeline(
        prompt_embeds=said[None],
        negative_prompt_embeds=unsaid[None],
        guidance_scale=3.0,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).images
    ours = draw(replace(open_parts(str(base), "cpu"), classes=encoder), by_class(1), 3)
    assert torch.allclose((ours + 1) / 2, theirs, atol=1e-4)


def test_a_class_is_drawn_without_words_and_with_them_as_ever(base: Path, adapted: Path, tmp_path: Path):
    with Run(tmp_path / "run", worker(tmp_path)) as run:
        engine = Diffuse(pipeline=str(base), classes=Adapted(model=str(adapted)), steps=2)
        car, dog, words = run.map(engine, [*by_class(0, 1), Request(prompt="a dog", seed=1, label=1, guidance=3.0)])
        other = next(
            iter(run.map(engine.model_copy(update={"classes": Adapted(model=str(adapted), epoch=1)}), by_class(0)))
        )
        (plain,) = run.map(
            Diffuse(pipeline=str(base), steps=2), [Request(prompt="a dog", seed=1, label=1, guidance=3.0)]
        )
    assert isinstance(car, Sample)
    assert car.target == 0
    assert str(car.origin.model).endswith("epoch 2")
    assert other.image != car.image
    assert plain.image == words.image != dog.image


def test_guidance_one_asks_only_once(base: Path, adapted: Path, monkeypatch: pytest.MonkeyPatch):
    parts = replace(open_parts(str(base), "cpu"), classes=load_class_encoder(epoch_folder(adapted, 1) / CLASS_ENCODER))
    forward, rows = type(parts.unet).forward, []

    def counted(self: Any, sample: torch.Tensor, *given: Any, **more: Any) -> Any:
        rows.append(len(sample))
        return forward(self, sample, *given, **more)

    monkeypatch.setattr(type(parts.unet), "forward", counted)
    draw(parts, by_class(0, 1, guidance=1.0), 2)
    draw(parts, by_class(0, 1, guidance=2.0), 2)
    assert rows == [2, 2, 4, 4]


@pytest.mark.parametrize("size", [(28, 28), (7, 31), (64, 48), None])
def test_a_class_is_drawn_as_it_was_learnt_and_given_back_in_the_size_that_is_asked_for(
    base: Path, adapted: Path, tmp_path: Path, size: Any
):
    engine = Diffuse(pipeline=str(base), classes=Adapted(model=str(adapted)), steps=2)
    site = worker(tmp_path)
    sample, whole = engine.load(site)([*by_class(0, size=size), *by_class(0)])
    picture = np.asarray(site.pixels.image(sample.image))
    assert picture.shape[:2] == ((SIZE, SIZE) if size is None else size[::-1])
    resized = site.pixels.image(whole.image).resize((picture.shape[1], picture.shape[0]), 1)
    assert np.abs(np.asarray(resized, int) - picture).max() <= 1


def test_what_cannot_be_drawn_by_its_class_fails_with_one_sentence(base: Path, adapted: Path, tmp_path: Path):
    engine = Diffuse(pipeline=str(base), classes=Adapted(model=str(adapted)), steps=2).load(worker(tmp_path))
    late, below, words = engine([*by_class(3), *by_class(-1), *by_class(0, negative_prompt="a cup")])
    for outcome, said in ((late, "label: 3 is none of the 3 classes"), (below, "label: -1"), (words, "has no words")):
        assert isinstance(outcome, Failed)
        assert said in outcome.reason


def test_an_adaptation_of_another_pipeline_is_refused(base: Path, sdxl: Path, adapted: Path, tmp_path: Path):
    cases = [
        (Diffuse(pipeline=str(sdxl), classes=Adapted(model=str(adapted))), "listens to 16 numbers"),
        (Diffuse(pipeline=str(base), classes=Adapted(model=str(adapted), epoch=7)), "epoch: 7 was not kept"),
        (Diffuse(pipeline=str(base), classes=Adapted(model=str(base))), "holds no adaptation"),
        (Diffuse(pipeline=str(save_flux(tmp_path / "flux")), classes=Adapted(model=str(adapted))), "takes no other"),
    ]
    for step, words in cases:
        with pytest.raises(BadConfig, match=words):
            step.load(worker(tmp_path))


def test_eta_is_ddim_s_own(base: Path, tmp_path: Path):
    one, other = (
        Diffuse(pipeline=str(base), scheduler="ddim", eta=eta, steps=3).load(worker(tmp_path))(
            [Request(prompt="a dog", seed=0)]
        )
        for eta in (0.0, 1.0)
    )
    assert one[0].image != other[0].image
    with pytest.raises(BadConfig, match="eta: it is DDIM's, and DPMSolverMultistepScheduler takes none"):
        Diffuse(pipeline=str(base), eta=0.5).load(worker(tmp_path))

"""Image prompts: the IP-Adapter that listens to them, its training, and drawings in which every picture has its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPVisionModelWithProjection

from companions import COURSE, EMBEDDING, SIZE, data, requests, save_base, save_clip, worker
from counterfactory.diffusion import image_prompt
from counterfactory.diffusion.adapters import WEIGHTS, load_adapter, save_adapter
from counterfactory.diffusion.attention import build_adapter, listeners, prompted
from counterfactory.diffusion.drawing import Parts, draw, open_parts
from counterfactory.diffusion.image_encoder import ENCODER, PREPARATION, embedded, load_image_encoder
from counterfactory.diffusion.seeing import see, with_image_prompts
from counterfactory.diffusion.trainers import ImagePromptTrainer
from counterfactory.errors import BadConfig
from counterfactory.pixels import Pixels
from counterfactory.training.saving import save_half
from counterfactory.types import Request

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SAMPLES = data()["train"].samples
HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def adapter(base: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights that make a picture of anything, and the image encoder beside them."""
    folder = tmp_path_factory.mktemp("adapters") / "ip_adapter"
    folder.mkdir()
    made = build_adapter(open_parts(str(base), "cpu").unet, EMBEDDING)
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data += 1.5 * torch.randn(parameter.shape, generator=generator)
    save_adapter(made, folder)
    save_half(load_image_encoder(str(clip), "cpu"), folder / ENCODER)
    return folder


@pytest.fixture(scope="module")
def parts(base: Path, adapter: Path) -> Parts:
    return with_image_prompts(open_parts(str(base), "cpu"), str(adapter))


def trainer(base: Path, clip: Path, **more: object) -> ImagePromptTrainer:
    said = {"base": str(base), "encoder": str(clip), "schedule": COURSE, "size": SIZE}
    return ImagePromptTrainer.model_validate({**said, **more})


def after(request: Request, number: int, scale: float) -> Request:
    return replace(request, image_prompt=SAMPLES[number].image, image_prompt_scale=scale)


def pictures(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def test_drawing_after_a_picture_agrees_with_diffusers(base: Path, adapter: Path, parts: Parts):
    asked = [after(request, 0, 0.6) for request in requests(3.0, 3.0, 3.0)]
    ours = (draw(parts, asked, steps=4, seen=see(parts, asked, Pixels())) + 1) / 2
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(adapter.parent, subfolder=adapter.name, weight_name=WEIGHTS)
    pipeline.set_ip_adapter_scale(0.6)
    theirs = [
        pipeline(
            request.prompt,
            ip_adapter_image=Pixels().image(SAMPLES[0].image),
            num_inference_steps=4,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="pt",
        ).images
        for request in asked
    ]
    assert torch.allclose(ours, torch.cat(theirs), atol=1e-4)
    assert (ours - (draw(parts, requests(3.0, 3.0, 3.0), steps=4) + 1) / 2).abs().max() > 4 / 255


def test_each_picture_has_its_own_image_prompt_and_scale(base: Path, parts: Parts):
    plain = requests(3.0, 1.0, 4.0, 2.0)
    asked = [after(plain[0], 0, 0.3), after(plain[1], 1, 1.0), plain[2], after(plain[3], 0, 0.0)]
    seen = see(parts, asked, Pixels())
    assert len(seen.image_prompts) == 2
    together = draw(parts, asked, steps=3, seen=seen)
    alone = torch.cat([draw(parts, [request], steps=3, seen=seen) for request in asked])
    assert (together - alone).abs().max() < 1e-5
    without = draw(open_parts(str(base), "cpu"), plain, steps=3)
    differs = (together - without).abs().amax((1, 2, 3))
    assert differs[:2].min() > 4 / 255
    assert differs[2:].max() < 1e-5


def test_a_listening_network_shares_the_weights_of_the_deaf_one_and_leaves_it_as_it_is(base: Path):
    unet = open_parts(str(base), "cpu").unet
    listening = prompted(unet, build_adapter(unet, EMBEDDING))
    assert listening.conv_in.weight is unet.conv_in.weight
    assert unet.encoder_hid_proj is None
    assert unet.config.encoder_hid_dim_type is None
    assert not any("Image" in type(unet.attn_processors[name]).__name__ for name in listeners(unet))


def test_an_image_prompt_without_an_adapter_is_refused(base: Path):
    parts = open_parts(str(base), "cpu")
    asked = [after(requests(3.0)[0], 0, 0.5)]
    with pytest.raises(BadConfig, match="no IP-Adapter"):
        draw(parts, asked, steps=1, seen=see(parts, asked, Pixels()))


def test_what_is_saved_is_loaded_again(base: Path, adapter: Path, tmp_path: Path):
    unet = open_parts(str(base), "cpu").unet
    save_adapter(load_adapter(str(adapter), unet), tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == (adapter / WEIGHTS).read_bytes()


def test_an_adapter_that_is_missing_or_of_another_network_is_named(base: Path, adapter: Path, tmp_path: Path):
    unet = open_parts(str(base), "cpu").unet
    with pytest.raises(BadConfig, match=f"expected a file {WEIGHTS}"):
        load_adapter(str(tmp_path), unet)
    config = {**unet.config, "cross_attention_dim": 20}
    with pytest.raises(BadConfig, match="for texts of width 20"):
        load_adapter(str(adapter), type(unet).from_config(config))
    config = {**unet.config, "layers_per_block": 2}
    with pytest.raises(BadConfig, match="made for another network"):
        load_adapter(str(adapter), type(unet).from_config(config))


def test_the_encoder_is_the_picture_s_half_of_clip(clip: Path):
    encoder = load_image_encoder(str(clip), "cpu")
    whole = CLIPModel.from_pretrained(clip).eval()
    shown = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = whole.vision_model(shown).pooler_output
        assert torch.allclose(encoder(shown).image_embeds, whole.visual_projection(hidden), atol=1e-5)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_an_encoder_that_learnt_from_other_numbers_sees_the_same_in_what_diffusers_shows(tmp_path: Path):
    clip = save_clip(tmp_path / "clip")
    CLIPImageProcessor(size=8, crop_size=8, image_mean=list(HALF), image_std=list(HALF)).save_pretrained(clip)
    assert (clip / PREPARATION).exists()
    ours, images = load_image_encoder(str(clip), "cpu"), pictures(3, 8)
    as_learnt = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    (clip / PREPARATION).unlink()
    with torch.no_grad():
        expected = load_image_encoder(str(clip), "cpu")(as_learnt).image_embeds
    assert torch.allclose(embedded(ours, images), expected, atol=1e-5)
    save_half(ours, tmp_path / "half")
    again = embedded(CLIPVisionModelWithProjection.from_pretrained(tmp_path / "half").eval(), images)
    assert torch.allclose(again, expected, atol=1e-2)


def test_an_adapter_learns_and_diffusers_loads_it(base: Path, clip: Path, tmp_path: Path):
    numbers = image_prompt.trained(trainer(base, clip), worker(tmp_path), tmp_path / "ip_adapter", data())
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(tmp_path, subfolder="ip_adapter", weight_name=WEIGHTS)
    shown = Image.fromarray(pictures(1, 20)[0])
    assert pipeline("a car", ip_adapter_image=shown, num_inference_steps=2).images[0].size == (SIZE, SIZE)
    unet = open_parts(str(base), "cpu").unet
    untrained = image_prompt.build(trainer(base, clip), open_parts(str(base), "cpu"), EMBEDDING)
    learnt = load_adapter(str(tmp_path / "ip_adapter"), unet)
    assert sum(parameter.numel() for parameter in learnt.parameters()) == numbers["parameters"]
    changes = [
        (one - other).abs().max().item()
        for one, other in zip(learnt.state_dict().values(), untrained.state_dict().values(), strict=True)
    ]
    assert min(changes) > 1e-3
    with Image.open(tmp_path / "ip_adapter" / "training" / "grid.png") as grid:
        assert grid.size == (2 * (4 * (SIZE + 2) + 2), 2 * (4 * (SIZE + 2) + 2))


def test_a_training_in_two_sittings_leaves_the_same_files(base: Path, clip: Path, tmp_path: Path):
    plateau = COURSE.model_copy(update={"images": 16, "batch_size": 1, "smoothing": 0.5, "rise": 32})
    short = trainer(base, clip, schedule=plateau)
    long = trainer(base, clip, schedule=plateau.model_copy(update={"images": 32}))
    for sitting in (short, long):
        image_prompt.trained(sitting, worker(tmp_path), tmp_path / "twice", data(shown=1))
    image_prompt.trained(long, worker(tmp_path), tmp_path / "once", data(shown=1))
    assert (tmp_path / "once" / WEIGHTS).read_bytes() == (tmp_path / "twice" / WEIGHTS).read_bytes()


def test_embeddings_are_computed_once(clip: Path, tmp_path: Path):
    kept = image_prompt.kept_embeddings(worker(tmp_path), data()["train"], str(clip), SIZE)
    stamp = kept.stat().st_mtime_ns
    assert image_prompt.kept_embeddings(worker(tmp_path), data()["train"], str(clip), SIZE) == kept
    assert kept.stat().st_mtime_ns == stamp
    encoder = load_image_encoder(str(clip), "cpu")
    shown = Pixels().arrays([sample.image for sample in SAMPLES], (SIZE, SIZE))
    assert np.allclose(np.load(kept), embedded(encoder, shown).numpy(), atol=1e-5)

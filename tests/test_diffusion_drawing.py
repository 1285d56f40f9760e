"""Our loop and plain diffusers draw the same: Stable Diffusion and SDXL, from text, sources, holes and layouts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from companions import SIZE, data, save_base
from counterfactory.diffusion.adapters import WEIGHTS
from counterfactory.diffusion.canvas import Canvas
from counterfactory.diffusion.drawing import Parts, draw, drawn_latents, open_parts
from counterfactory.diffusion.latents import decode, encode
from counterfactory.diffusion.schedulers import CLASSES, scheduler_like
from counterfactory.diffusion.seeing import see, with_controls, with_image_prompts
from counterfactory.errors import BadConfig
from counterfactory.pixels import Pixels
from counterfactory.training.pictures import to_tensor
from counterfactory.types import Control, Request
from tiny_pipelines import WORDS, save_controlnet, save_image_prompts, save_inpainting, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SAMPLES = data()["train"].samples
CLOSE = {"atol": 2e-4, "rtol": 0}
PREFIX = {"sd": "StableDiffusion", "sdxl": "StableDiffusionXL"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("pipelines")
    return {"sd": save_base(where / "sd"), "sdxl": save_sdxl(where / "sdxl")}


def asked(**more: Any) -> list[Request]:
    return [Request(prompt=word, seed=n, **{"guidance": 3.0, **more}) for n, word in enumerate(WORDS[:3])]


def sources() -> Tensor:
    return to_tensor(Pixels().arrays([sample.image for sample in SAMPLES[:3]], (SIZE, SIZE)))


def hole() -> Tensor:
    mask = torch.zeros(3, 1, SIZE, SIZE)
    mask[:, :, :, : SIZE // 2] = 1
    return mask


def theirs(family: str, kind: str, folder: Path, requests: list[Request], **more: Any) -> Tensor:
    """What the plain pipeline of a kind draws of the requests, from 0 to 1."""
    pipeline = getattr(diffusers, f"{PREFIX[family]}{kind}Pipeline").from_pretrained(folder, **more.pop("parts", {}))
    pipeline.set_progress_bar_config(disable=True)
    if adapter := more.pop("adapter", None):
        pipeline.load_ip_adapter(adapter.parent, subfolder=adapter.name, weight_name=WEIGHTS)
        pipeline.set_ip_adapter_scale(requests[0].image_prompt_scale)
    if scheduler := more.pop("scheduler", None):
        pipeline.scheduler = scheduler
    drawn: Tensor = pipeline(
        [request.prompt for request in requests],
        negative_prompt=[r.negative_prompt for r in requests] if requests[0].negative_prompt else None,
        guidance_scale=requests[0].guidance,
        generator=[torch.Generator().manual_seed(request.seed) for request in requests],
        output_type="pt",
        **{"num_inference_steps": 4, **more},
    ).images
    return drawn


def ours(drawn: Tensor) -> Tensor:
    return (drawn + 1) / 2


@pytest.mark.parametrize("family", ["sd", "sdxl"])
@pytest.mark.parametrize("negative", ["", "a blurred cup"])
def test_text_to_image(folders: dict[str, Path], family: str, negative: str):
    requests = asked(negative_prompt=negative)
    drawn = draw(open_parts(str(folders[family]), "cpu"), requests, 4)
    assert torch.allclose(ours(drawn), theirs(family, "", folders[family], requests), **CLOSE)
    assert drawn.std() > 0.05


@pytest.mark.parametrize("name", CLASSES)
def test_every_scheduler(folders: dict[str, Path], name: Any):
    parts = open_parts(str(folders["sdxl"]), "cpu")
    scheduler = scheduler_like(parts.scheduler, name)
    assert type(scheduler).__name__ == CLASSES[name]
    drawn = draw(replace(parts, scheduler=scheduler), asked(), 5)
    expected = theirs("sdxl", "", folders["sdxl"], asked(), scheduler=scheduler, num_inference_steps=5)
    assert torch.allclose(ours(drawn), expected, **CLOSE)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_image_to_image(folders: dict[str, Path], family: str):
    requests = asked(strength=0.6)
    drawn = draw(open_parts(str(folders[family]), "cpu"), requests, 5, sources=sources())
    more = {"image": (sources() + 1) / 2, "strength": 0.6, "num_inference_steps": 5}
    assert torch.allclose(ours(drawn), theirs(family, "Img2Img", folders[family], requests, **more), **CLOSE)


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_filling_holes_with_a_network_that_never_learnt_to(folders: dict[str, Path], family: str, strength: float):
    parts, requests = open_parts(str(folders[family]), "cpu"), asked(strength=strength)
    known = encode(parts.autoencoder, sources())
    small = torch.nn.functional.interpolate(hole(), known.shape[-2:])
    drawn = decode(parts.autoencoder, drawn_latents(parts, requests, 5, Canvas(latents=known, mask=small)))
    more = {"image": (sources() + 1) / 2, "mask_image": hole(), "strength": strength, "num_inference_steps": 5}
    expected = theirs(family, "Inpaint", folders[family], requests, height=SIZE, width=SIZE, **more)
    assert torch.allclose(ours(drawn), expected, **CLOSE)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_filling_holes_with_a_network_that_learnt_to(tmp_path: Path, strength: float):
    parts, requests = open_parts(str(save_inpainting(tmp_path)), "cpu"), asked(strength=strength)
    known, kept = (encode(parts.autoencoder, shown) for shown in (sources(), sources() * (1 - hole())))
    canvas = Canvas(latents=known, mask=torch.nn.functional.interpolate(hole(), known.shape[-2:]), kept=kept)
    drawn = decode(parts.autoencoder, drawn_latents(parts, requests, 5, canvas))
    more = {"image": (sources() + 1) / 2, "mask_image": hole(), "strength": strength, "num_inference_steps": 5}
    expected = theirs("sd", "Inpaint", tmp_path, requests, height=SIZE, width=SIZE, **more)
    assert torch.allclose(ours(drawn), expected, **CLOSE)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_layouts_of_two_kinds(folders: dict[str, Path], tmp_path: Path, family: str):
    names = {
        kind: str(save_controlnet(folders[family], tmp_path / kind, n)) for n, kind in enumerate(("canny", "edges"))
    }
    parts = with_controls(open_parts(str(folders[family]), "cpu"), names)
    requests = [
        replace(r, controls=tuple(Control(kind=kind, image=s.image, scale=0.7) for kind in names))
        for r, s in zip(asked(), SAMPLES, strict=False)
    ]
    seen = see(parts, requests, Pixels())
    shown = [torch.stack([seen.controls[kind, r.controls[0].image] for r in requests]) for kind in names]
    networks = [parts.controls[kind] for kind in names]
    drawn = draw(parts, requests, 4, seen=seen)
    more = {"parts": {"controlnet": networks}, "image": shown, "controlnet_conditioning_scale": [0.7, 0.7]}
    assert torch.allclose(ours(drawn), theirs(family, "ControlNet", folders[family], requests, **more), **CLOSE)
    assert (drawn - draw(parts, asked(), 4)).abs().max() > 0.02


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_guidance_strengthens_a_guided_layout(folders: dict[str, Path], tmp_path: Path, family: str):
    names = {"edges": str(save_controlnet(folders[family], tmp_path / "edges"))}
    parts = with_controls(open_parts(str(folders[family]), "cpu"), names)
    plain = replace(asked()[0], guidance=1.0, negative_prompt="blurred")
    held = replace(plain, controls=(Control(kind="edges", image=SAMPLES[0].image),))
    seen = see(parts, [held], Pixels())
    free, kept = (drawn_latents(parts, [one], 1, seen=seen) for one in (replace(plain, prompt="blurred"), held))
    strong = replace(held, guidance=3.0, controls=(replace(held.controls[0], guided=True),))
    found = drawn_latents(parts, [strong], 1, seen=seen)
    assert torch.allclose(found, free + 3.0 * (kept - free), atol=1e-4)  # one step is linear in what is predicted
    assert not torch.allclose(found, drawn_latents(parts, [replace(held, guidance=3.0)], 1, seen=seen), atol=1e-3)
    mixed = [strong, replace(held, guidance=3.0), replace(plain, guidance=3.0)]
    together = drawn_latents(parts, mixed, 3, seen=seen)
    for row, request in enumerate(mixed):
        assert torch.allclose(together[row], drawn_latents(parts, [request], 3, seen=seen)[0], atol=1e-4)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_image_prompts(folders: dict[str, Path], tmp_path: Path, family: str):
    adapter = save_image_prompts(folders[family], tmp_path / "prompts")
    parts = with_image_prompts(open_parts(str(folders[family]), "cpu"), str(adapter))
    (request, *_) = asked(image_prompt=SAMPLES[0].image, image_prompt_scale=0.6)
    drawn = draw(parts, [request], 4, seen=see(parts, [request], Pixels()))
    more = {"adapter": adapter, "ip_adapter_image": Pixels().image(SAMPLES[0].image)}
    assert torch.allclose(ours(drawn), theirs(family, "", folders[family], [request], **more), **CLOSE)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_batch_of_guidance_one_is_drawn_without_the_other_half(folders: dict[str, Path], family: str):
    parts, plain = open_parts(str(folders[family]), "cpu"), asked(guidance=1.0)
    mixed = draw(parts, [*plain, replace(plain[0], guidance=5.0)], 4)[:3]
    assert (draw(parts, plain, 4) - mixed).abs().max() < 2 / 255


def test_strengths_that_leave_different_numbers_of_steps_are_refused(folders: dict[str, Path]):
    parts: Parts = open_parts(str(folders["sd"]), "cpu")
    requests = [Request(prompt="a dog", seed=0, strength=strength) for strength in (0.5, 1.5)]
    with pytest.raises(BadConfig, match="share one strength"):
        draw(parts, requests, 4, sources=sources()[:2])

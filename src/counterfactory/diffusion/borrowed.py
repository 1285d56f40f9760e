"""Draws with pipelines that have no denoising network like Stable Diffusion's (SD3, FLUX, ...): through their own call.

They take one guidance and one strength a call, so requests that share both are drawn together.
"""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterfactory.diffusion.controls import hole
from counterfactory.diffusion.fits import left_out, opening
from counterfactory.diffusion.frames import Grid, Size
from counterfactory.diffusion.painting import Drawn, refuse_strength
from counterfactory.diffusion.placing import compiled, spare
from counterfactory.errors import BadConfig
from counterfactory.pixels import Pixels
from counterfactory.training.pictures import to_tensor
from counterfactory.types import Request
from counterfactory.worker import Worker

WAYS = {"text": "draws from text", "image": "draws from a source", "hole": "paints into holes"}
KINDS = {"text": "", "image": "Img2Img", "hole": "Inpaint"}  # in the names of diffusers' classes


@dataclass(frozen=True, kw_only=True, eq=False)
class BorrowedPainter:
    """A `Painter` of a pipeline's own calls, by what they begin from: text, an image or a hole in one."""

    calls: Mapping[str, Any]
    pixels: Pixels
    steps: int

    @property
    def grid(self) -> Grid:
        pipeline = self.calls["text"]
        factor = 2 * pipeline.vae_scale_factor  # their networks see patches of two latents
        return Grid(factor=factor, side=pipeline.default_sample_size * pipeline.vae_scale_factor)

    def accept(self, request: Request) -> Request:
        """The request, or one sentence on the first thing that this pipeline cannot do."""
        refuse_strength(request)
        name = type(self.calls["text"]).__name__
        wanted = {
            "a ControlNet": request.controls,
            "an IP-Adapter": request.image_prompt,
            "noise on learnt tokens": request.noise,
        }
        for what, asked in wanted.items():
            if asked:
                raise BadConfig(f"{name} is drawn from without {what}; take a pipeline of the kind of SD 1.5 or SDXL.")
        way = _way(request)
        if way not in self.calls:
            raise BadConfig(f"{name} has no sibling that {WAYS[way]}; take SD 1.5, SDXL, SD3 or FLUX.")
        if request.negative_prompt and not _heeds_negative_prompts(self.calls[way]):
            raise BadConfig(f"{name} heeds no negative prompt; leave it empty, or take SD 1.5, SDXL or SD3.")
        return request

    def alike(self, request: Request) -> Hashable:
        """What one call has in common."""
        return _way(request), request.strength, request.guidance

    @torch.no_grad()
    def draw(self, requests: Sequence[Request], size: Size) -> Drawn:
        """One call, with a generator for each picture."""
        pipeline = self.calls[_way(requests[0])]
        takes = inspect.signature(pipeline.__call__).parameters
        said = {
            "prompt": [request.prompt for request in requests],
            "negative_prompt": [r.negative_prompt for r in requests] if _heeds_negative_prompts(pipeline) else None,
            "guidance_scale": requests[0].guidance,
            "num_inference_steps": self.steps,
            "strength": requests[0].strength,
            "width": size[0],
            "height": size[1],
            "generator": [torch.Generator().manual_seed(request.seed) for request in requests],
            "output_type": "pt",
            **self._shown(requests, size),
        }
        out = pipeline(**{name: value for name, value in said.items() if name in takes and value is not None})
        flagged = getattr(out, "nsfw_content_detected", None) or [False] * len(requests)
        return Drawn(pictures=out.images.float() * 2 - 1, flagged=list(map(bool, flagged)))

    def _shown(self, requests: Sequence[Request], size: Size) -> dict[str, torch.Tensor]:
        """The sources, and where they have holes, as the calls take them."""
        if _way(requests[0]) == "text":
            return {}
        sources = self.pixels.arrays([request.source for request in requests if request.source], size)
        holes = [hole(r.mask, self.pixels, size, r.keeps_masked) for r in requests if r.mask]
        masks = {"mask_image": torch.from_numpy(np.stack(holes)).float()[:, None]} if holes else {}
        return {"image": (to_tensor(sources) + 1) / 2, **masks}


def open_borrowed(folder: Path, worker: Worker, steps: int) -> BorrowedPainter:
    """The pipeline of a folder with its siblings, on a worker's device."""
    import diffusers

    pipelines: Any = diffusers.DiffusionPipeline
    with opening(folder):
        without = dict.fromkeys(left_out(folder))  # diffusers wants to hear it again
        pipeline = pipelines.from_pretrained(folder, use_safetensors=True, dtype=worker.torch_dtype(), **without)
    name = type(pipeline).__name__
    if "prompt" not in inspect.signature(pipeline.__call__).parameters or not hasattr(pipeline, "default_sample_size"):
        raise BadConfig(
            f"{folder} holds a {name}, which does not draw latents from text; expected SD, SDXL, SD3 or FLUX."
        )
    spare(worker, pipeline.transformer, pipeline.vae)
    compiled(worker, pipeline.transformer)
    calls = {way: call for way, kind in KINDS.items() if (call := _sibling(pipeline, kind))}
    for call in calls.values():
        call.set_progress_bar_config(disable=True)
    if worker.memory.offload and worker.device != "cpu":
        for call in calls.values():
            call.enable_model_cpu_offload(device=worker.device)
    else:
        pipeline.to(worker.device)
    return BorrowedPainter(calls=calls, pixels=worker.pixels, steps=steps)


def _sibling(pipeline: Any, kind: str) -> Any:
    """The pipeline of the same networks that begins from something else, where diffusers has one."""
    import diffusers

    family = type(pipeline).__name__.removesuffix("Pipeline").removesuffix("Img2Img").removesuffix("Inpaint")
    sibling = getattr(diffusers, f"{family}{kind}Pipeline", None)
    if sibling is None:
        return None
    takes = inspect.signature(sibling.__init__).parameters
    return sibling(**{part: one for part, one in pipeline.components.items() if part in takes})


def _way(request: Request) -> str:
    if request.strength is None:
        return "text"
    return "hole" if request.mask else "image"


def _heeds_negative_prompts(pipeline: Callable[..., Any]) -> bool:
    """FLUX takes them only beside a second guidance, which no request has."""
    takes = inspect.signature(pipeline.__call__).parameters  # type: ignore[operator]
    return "negative_prompt" in takes and "true_cfg_scale" not in takes

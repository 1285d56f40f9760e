"""How fast a stress test's pictures are drawn, beside the published way. Prints one JSON line.

python benchmarks/stress.py --what throughput [--sources 8] [--each 5] [--steps 5] [--device auto]

The published way is one call of a plain pipeline for each picture: its layout is found and its texts are read again
every time. Ours is the engine in a run: batches, each layout and text once, files and store included. Both draw the
same requests with the same models: on a processor the zoo's, on an accelerator some of Stable Diffusion 1.5's shapes
with random weights. The pictures of both ways are compared.
On a processor that others use too, the ratio of the processor's own time is the one to trust.
"""

import argparse
import json
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from counterfactory.diffusion.controls import from_bytes, soft_edges
from counterfactory.diffusion.engine import Diffuse
from counterfactory.names import model_folder
from counterfactory.pixels import encode_png
from counterfactory.run import Run
from counterfactory.types import Control, Request
from counterfactory.worker import Worker, choose_device
from counterfactory.zoo.world import seen_scenes
from parts.stand_ins import agreement, stable_diffusion, timed

NEGATIVE = "blurred, a painting"
GUIDANCE = 7.5


@dataclass(frozen=True, kw_only=True)
class Models:
    """A pipeline and a ControlNet that follows soft edges, as folders."""

    name: str
    pipeline: Path
    edges: Path
    side: int


def main() -> None:
    options = _options()
    device = choose_device(options.device)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        worker = Worker(
            workspace=folder / "runs",
            device=device,
            dtype="float32" if device == "cpu" else "bfloat16",
            batch_size=options.batch_size,
        )
        models = _models(folder, device)
        print(json.dumps({"benchmark": "stress throughput", **throughput(models, worker, options)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=["throughput"], default="throughput")
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--each", type=int, default=5, help="pictures of each source")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def throughput(models: Models, worker: Worker, options: argparse.Namespace) -> dict[str, Any]:
    """Both ways, each after a first drawing that is not counted."""
    requests = _requests(worker, models.side, options.sources, options.each)
    engine = Diffuse(
        pipeline=str(models.pipeline), controls={"edges": str(models.edges)}, scheduler="unipc", steps=options.steps
    )
    published = Published(models, worker, options.steps)
    published(requests[0])
    with Run(worker.workspace / "run", worker) as run:
        list(run.map(engine, [_other(request) for request in requests[: worker.batch_size]]))
        ours, first, first_cpu = timed(lambda: list(run.map(engine, requests)))
    theirs, second, second_cpu = timed(lambda: [published(request) for request in requests])
    count = len(requests)
    found = {
        "models": models.name,
        "images": count,
        "steps": options.steps,
        "batch_size": worker.batch_size,
        "dtype": worker.dtype,
        "ours_images_per_s": round(count / first, 3),
        "published_images_per_s": round(count / second, 3),
        "ratio": round(second / first, 2),
        "ratio_of_processor_time": round(second_cpu / first_cpu, 2),
        **agreement(ours, theirs, worker),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {worker.device}",
    }
    return found | (_share_of_products(engine, requests[0], count / first, worker) if worker.device != "cpu" else {})


class Published:
    """One pipeline call for each picture, its layout and its texts made anew, its file written before the next."""

    def __init__(self, models: Models, worker: Worker, steps: int) -> None:
        dtype = worker.torch_dtype()
        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        network = diffusers.ControlNetModel.from_pretrained(models.edges, torch_dtype=dtype)
        pipeline = diffusers.StableDiffusionControlNetPipeline.from_pretrained(
            models.pipeline, controlnet=network, safety_checker=None, dtype=dtype
        ).to(worker.device)
        pipeline.scheduler = diffusers.UniPCMultistepScheduler.from_config(pipeline.scheduler.config)
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline, self._worker, self._side, self._steps = pipeline, worker, models.side, steps

    def __call__(self, request: Request) -> np.ndarray:
        picture = self._worker.pixels.image(request.controls[0].image).resize((self._side, self._side))
        layout = soft_edges(from_bytes(np.asarray(picture)[None]))[0].mul(255).round().to(torch.uint8)
        (drawn,) = self._pipeline(
            request.prompt,
            negative_prompt=request.negative_prompt,
            image=Image.fromarray(layout.permute(1, 2, 0).numpy()),
            num_inference_steps=self._steps,
            guidance_scale=request.guidance,
            controlnet_conditioning_scale=request.controls[0].scale,
            generator=torch.Generator().manual_seed(request.seed),
        ).images
        (self._worker.workspace / f"published-{request.seed}.png").write_bytes(encode_png(drawn))
        return np.asarray(drawn)


def _requests(worker: Worker, side: int, sources: int, each: int) -> list[Request]:
    """Counterfactuals of Diorama scenes: each source's layout, under another scene's words."""
    samples = seen_scenes("validation", 2 * sources, 64).samples
    for sample in samples[:sources]:
        worker.pixels.image(sample.image)  # both ways find it rendered
    return [
        Request(
            prompt=samples[sources + n].caption or "",
            negative_prompt=NEGATIVE,
            seed=n * each + turn,
            guidance=GUIDANCE,
            controls=(Control(kind="edges", image=samples[n].image),),
            size=(side, side),
        )
        for n in range(sources)
        for turn in range(each)
    ]


def _other(request: Request) -> Request:
    """A request like another, that warms the engine up and leaves nothing for the other to find done."""
    return Request(prompt="a cup", seed=request.seed, controls=request.controls, size=request.size)


def _share_of_products(engine: Diffuse, request: Request, speed: float, worker: Worker) -> dict[str, float]:
    """How much of the rate at which the device multiplies matrices goes into drawing."""
    draw = engine.load(worker)
    with FlopCounterMode(display=False) as counted:
        draw([request])
    side, turns = 8192, 20
    square = torch.randn(side, side, device=worker.device, dtype=worker.torch_dtype())
    (square @ square).sum().item()
    began = time.perf_counter()
    for _ in range(turns):
        product = square @ square
    product.sum().item()
    rate = turns * 2 * side**3 / (time.perf_counter() - began)
    work = counted.get_total_flops()
    return {
        "teraflop_an_image": round(work / 1e12, 3),
        "matrix_product_teraflop_per_s": round(rate / 1e12, 1),
        "share_of_matrix_product_rate": round(speed * work / rate, 3),
    }


def _models(folder: Path, device: str) -> Models:
    if device != "cpu":
        return _stable_diffusion(folder)
    edges = model_folder("zoo:diorama/controlnet-edges")
    return Models(name="the zoo's", pipeline=model_folder("zoo:diorama"), edges=edges, side=64)


def _stable_diffusion(folder: Path) -> Models:
    stable_diffusion(folder / "pipeline")
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "pipeline" / "unet")
    _shaken(diffusers.ControlNetModel.from_unet(unet)).save_pretrained(folder / "edges")
    return Models(name="SD-1.5-shaped, random", pipeline=folder / "pipeline", edges=folder / "edges", side=512)


def _shaken(network: Any) -> Any:
    """A fresh ControlNet says nothing: noise on its weights makes it speak."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return network


if __name__ == "__main__":
    main()

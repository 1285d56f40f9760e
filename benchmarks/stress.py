"""How fast a stress test's pictures are drawn, beside the published way. Prints one JSON line.

python benchmarks/stress.py --what throughput [--sources 8] [--each 5] [--steps 5] [--device auto]

The published way is one call of a plain pipeline for each picture: its layout is found and its texts are read again
every time. Ours is the engine in a run: batches, each layout and text once, files and store included. Both draw the
same requests with the same models; on a processor these have the zoo's shapes, on an accelerator those of Stable
Diffusion 1.5, and all weights are random unless the zoo's pipeline ships. The pictures of both ways are compared.
On a processor that others use too, the ratio of the processor's own time is the one to trust.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

from counterfactory.diffusion import autoencoder, control, latent
from counterfactory.diffusion.controls import from_bytes, soft_edges
from counterfactory.diffusion.drawing import Parts, open_parts
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.saving import save_pipeline
from counterfactory.diffusion.trainers import AutoencoderTrainer, ControlTrainer, LatentTrainer
from counterfactory.names import model_folder
from counterfactory.pixels import encode_png
from counterfactory.run import Run
from counterfactory.shipped import shipped_names
from counterfactory.training.tokenizer import learn_tokenizer
from counterfactory.types import Control, Failed, Request, Sample
from counterfactory.worker import Worker, choose_device
from counterfactory.zoo.world import seen_scenes

NEGATIVE = "blurred, a painting"
GUIDANCE = 7.5
TOLERANCE = {"float32": 1, "bfloat16": 24}  # of 255, of the 99th hundredth of a picture's pixels
ATTENDS = (False, False, True)  # as the zoo's ControlNets do


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
        ours, first, first_cpu = _timed(lambda: list(run.map(engine, requests)))
    theirs, second, second_cpu = _timed(lambda: [published(request) for request in requests])
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
        **_agreement(ours, theirs, worker),
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


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What came of some work, its seconds and those of the processor."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = work()  # files are written: whatever a device does is done
    return result, time.perf_counter() - began, time.process_time() - began_cpu


def _agreement(ours: Sequence[Sample | Failed], theirs: Sequence[np.ndarray], worker: Worker) -> dict[str, Any]:
    """How far the pictures of both ways are from each other; stops where that is too far."""
    failed = [one for one in ours if isinstance(one, Failed)]
    assert not failed, failed[0].reason
    drawn = [np.asarray(worker.pixels.image(one.image), np.int16) for one in ours if isinstance(one, Sample)]
    apart = [np.abs(one - other) for one, other in zip(drawn, theirs, strict=True)]
    ordinary = float(np.percentile(np.stack(apart), 99))
    assert ordinary <= TOLERANCE[worker.dtype], f"the two ways draw differently: {ordinary} of 255"
    return {
        "apart_of_255_at_99_percent": ordinary,
        "apart_of_255_at_most": int(max(one.max() for one in apart)),
        "tolerance_at_99_percent": TOLERANCE[worker.dtype],
    }


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
    if {"zoo:diorama", "zoo:diorama/controlnet-edges"} <= set(shipped_names()):
        edges = model_folder("zoo:diorama/controlnet-edges")
        return Models(name="the zoo's", pipeline=model_folder("zoo:diorama"), edges=edges, side=64)
    return _zoo_shaped(folder)


def _zoo_shaped(folder: Path) -> Models:
    """The zoo's shapes with random weights."""
    captions = [sample.caption or "" for sample in seen_scenes("train", 200).samples]
    tokenizer = learn_tokenizer(captions, 1000, 32)
    trainer = LatentTrainer(autoencoder="none")
    module = latent.build(trainer, tokenizer, (1, 4, 16, 16))
    save_pipeline(latent.parts_of(module, autoencoder.build(AutoencoderTrainer()), tokenizer), folder / "pipeline")
    network = control.build(
        ControlTrainer(base="none", control="edges", attends=ATTENDS), open_parts(str(folder / "pipeline"), "cpu")
    )
    _shaken(network).save_pretrained(folder / "edges")
    return Models(name="zoo-shaped, random", pipeline=folder / "pipeline", edges=folder / "edges", side=64)


def _stable_diffusion(folder: Path) -> Models:
    """Stable Diffusion 1.5's shapes with random weights, in latents of 64."""
    torch.manual_seed(0)
    tokenizer = learn_tokenizer([sample.caption or "" for sample in seen_scenes("train", 200).samples], 1000, 77)
    unet = diffusers.UNet2DConditionModel(
        sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280)
    )
    pictures = diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=512, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    texts = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
            num_attention_heads=12, max_position_embeddings=77, projection_dim=768, eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    scheduler = diffusers.PNDMScheduler(**latent.NOISING, skip_prk_steps=True, steps_offset=1)
    parts = Parts(unet=unet, autoencoder=pictures, text_encoder=texts, tokenizer=tokenizer, scheduler=scheduler)
    save_pipeline(parts, folder / "pipeline")
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

"""What augmentation costs beside the published loops, both ways in one run. Prints one JSON line.

python benchmarks/augment_speed.py --what filter|drawing [--device cpu]

filter: DIAGen's filter, a head on a frozen ResNet-50 with random weights, 4 images of 10 classes: 10,000 steps of our
trainer, whole, with all that it does before and after; and a loop that augments and embeds its batch at each step, as
the published one does, measured on a few steps after a first one, since each costs the same. Processor time on a
processor, which others share. Neither way evaluates.

drawing: image-to-image as Real guidance and DA-Fusion draw it, each source so many times. The published way is one call
of a plain pipeline for each drawing, which encodes the source and the class's text again; ours is the engine in a run,
files and store included. Both draw the same requests with the same models, the zoo's on a processor and random ones as
large as Stable Diffusion 1.5 on an accelerator, and the pictures are compared.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from torch.nn import functional

from counterfactory.classify.augment import augment
from counterfactory.classify.draw import plan
from counterfactory.classify.models import Checkpoint
from counterfactory.classify.networks import build
from counterfactory.classify.pictures import floats, normalised, open_pictures
from counterfactory.classify.targets import targets_of
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.read import read
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.schedulers import scheduler_like
from counterfactory.names import model_folder
from counterfactory.pixels import encode_png
from counterfactory.run import Run
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker
from parts.stand_ins import agreement, stable_diffusion, timed

STEPS, BATCH, VIEWS = 10_000, 16, 10  # DIAGen's 50 times 200 steps
IMAGES = 40


def filter_training(worker: Worker, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A filter on features that are kept, and one whose backbone runs at each step."""
    data = read(f"diorama:train={IMAGES}").splits["train"]
    model = Checkpoint(name=str(backbone(folder / "backbone", options.size)), views=VIEWS)
    trainer = ClassifierTrainer(
        model=model, augment="randaugment", steps=STEPS, batch_size=BATCH, learning_rate=1e-4, balanced=True
    )
    kept = seconds(worker, lambda: trainer.fit(worker, folder / "filter", {"train": data}))
    first, later = (published(trainer, worker, data, steps) for steps in (1, 1 + options.steps))
    a_step = (later - first) / options.steps
    return {
        "kept_features_s": round(kept, 1),
        "published_s_a_step": round(a_step, 4),
        "published_s": round(a_step * STEPS, 1),
        "ratio": round(a_step * STEPS / kept, 1),
        "steps": STEPS,
        "steps_measured": options.steps,
        "pixels": options.size,
    }


def backbone(folder: Path, size: int) -> Path:
    """A ResNet-50 that knows nothing, as a hub would hold it."""
    from transformers import ResNetConfig, ResNetForImageClassification

    ResNetForImageClassification(ResNetConfig()).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": size, "width": size}}))
    return folder


def published(trainer: ClassifierTrainer, worker: Worker, data: Dataset, steps: int) -> float:
    """Seconds of a loop in which every batch is augmented and goes through the frozen backbone."""
    network = build(trainer.model, data.classes, data.task, None)
    network.to(worker.device, torch.channels_last)
    pictures, targets = open_pictures(data, network.preparation, worker), targets_of(data)
    optimizer = torch.optim.Adam(network.module.parameters(), lr=1e-4, weight_decay=1e-2)
    rows = plan(data, targets, 0, True, None).steps(0, steps, BATCH)
    generator = np.random.default_rng(0)

    def loop() -> None:
        for group, pixels in zip(rows, pictures.batches(rows), strict=True):
            views = augment(trainer.augment, floats(pixels, worker.device), generator)
            features = network.features(normalised(views, network.preparation))
            right = torch.from_numpy(targets[group]).to(worker.device)
            functional.cross_entropy(network.module(features), right).backward()
            optimizer.step()
            optimizer.zero_grad()

    return seconds(worker, loop)


def seconds(worker: Worker, work: Callable[[], object]) -> float:
    """Of a processor, or by the clock where an accelerator works."""
    clock = time.process_time if worker.device == "cpu" else time.perf_counter
    began = clock()
    work()
    if worker.device != "cpu":
        torch.get_device_module(worker.device).synchronize()
    return clock() - began


def drawing(worker: Worker, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Pictures a second of the engine in a run, and of one pipeline call for each."""
    zoo = worker.device == "cpu"
    pipeline, side = (model_folder("zoo:diorama"), 64) if zoo else (folder / "pipeline", 512)
    if not zoo:
        stable_diffusion(pipeline)
    engine, requests = Diffuse(pipeline=str(pipeline), steps=10), redrawings(options.sources, options.each, side)
    with Run(folder / "run", worker) as run:
        list(run.map(engine, [replace(request, prompt="a cup") for request in requests[: worker.batch_size]]))
        ours, first, first_cpu = timed(lambda: list(run.map(engine, requests)))
    call = plain_pipeline(pipeline, worker)
    call(requests[0])
    theirs, second, second_cpu = timed(lambda: [call(request) for request in requests])
    return {
        "models": "the zoo's" if zoo else "SD-1.5-shaped, random",
        "images": len(requests),
        "ours_images_per_s": round(len(requests) / first, 3),
        "published_images_per_s": round(len(requests) / second, 3),
        "ratio": round(second / first, 2),
        "ratio_of_processor_time": round(second_cpu / first_cpu, 2),
        **agreement(ours, theirs, worker),
    }


def redrawings(sources: int, each: int, side: int) -> list[Request]:
    """Scenes of Diorama, each of them to be redrawn so many times."""
    return [
        Request(
            prompt=f"a photo of a {sample.attributes['class']}", seed=each * n + turn, source=sample.image,
            strength=0.5, guidance=7.5, size=(side, side),
        )
        for n, sample in enumerate(read(f"diorama:train={sources}").splits["train"].samples)
        for turn in range(each)
    ]  # fmt: skip


def plain_pipeline(folder: Path, worker: Worker) -> Callable[[Request], np.ndarray]:
    """One call for each picture, whose file is written before the next."""
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(folder, safety_checker=None, dtype=worker.torch_dtype())
    pipeline.to(worker.device).set_progress_bar_config(disable=True)
    pipeline.scheduler = scheduler_like(pipeline.scheduler, Diffuse().scheduler)

    def call(request: Request) -> np.ndarray:
        assert request.source is not None
        assert request.size is not None
        (drawn,) = pipeline(
            request.prompt,
            image=worker.pixels.image(request.source).resize(request.size),
            strength=request.strength,
            num_inference_steps=10,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
        ).images
        (worker.workspace / f"published-{request.seed}.png").write_bytes(encode_png(drawn))
        return np.asarray(drawn)

    return call


WHAT = {"filter": filter_training, "drawing": drawing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=WHAT, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=64, help="pixels of a side, for the filter")
    parser.add_argument("--sources", type=int, default=8, help="images that are redrawn")
    parser.add_argument("--each", type=int, default=10, help="drawings of each of them")
    parser.add_argument("--steps", type=int, default=20, help="of the published loop that are measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dtype = "float32" if options.device == "cpu" else "bfloat16"
        worker = Worker(workspace=Path(folder), device=options.device, dtype=dtype, processes=1)
        found = WHAT[options.what](worker, Path(folder), options)
    machine = f"{platform.machine()}, {options.device}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(json.dumps({"benchmark": f"augment_speed {options.what}", **found, "machine": machine}))


if __name__ == "__main__":
    main()

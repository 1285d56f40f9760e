"""The Classification Accuracy Score of drawn CIFAR-10: classifiers that learn from drawings, tested on photographs.

python benchmarks/cas_cifar10.py path/to/cifar10 --folder FOLDER [--network small|large] [--minutes 10]
    [--images-per-class N] [--times 1,2,4] [--seeds 0,1,2] [--guidance 1.0] [--classifier small|resnet20|paper]
    [--pipeline FOLDER --epochs 20,10] [--device auto --dtype bfloat16 --batch 256]

A diffusion model learns the training photographs without the validation ones: of pixels and from scratch, for so many
minutes, or with --pipeline a text-to-image model that is adapted to the classes. It draws each class as often as there
are photographs of it (x1) and more, in sets of which each holds the smaller ones. Classifiers of one recipe then learn
from photographs alone, from each set alone, and from the photographs with the largest set. Prints one JSON line. What a
killed call did in --folder is not done again: give the same command until it prints.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfactory.classify.cas import PUBLISHED
from counterfactory.classify.models import CifarResNet
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.choose import hold_out, shots, unrelated
from counterfactory.data.read import read
from counterfactory.diffusion.adapted import AdaptationTrainer, Adapted
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.pixel_engine import DrawPixels
from counterfactory.diffusion.trainers import ClassPixelTrainer, PixelNetwork
from counterfactory.metrics.statistics import mean_interval
from counterfactory.recipes.cas import arms, of_real
from counterfactory.recipes.comparison import methods, numbers
from counterfactory.recipes.generation import Amount, drawn
from counterfactory.recipes.trials import Choice, Trial, tried
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Artifact, Collection
from counterfactory.worker import Worker, choose_device

SIDE = 32
HELD_OUT = 1000  # photographs a class for validation, as published; fewer where fewer are learnt from
NETWORKS = {
    "small": PixelNetwork(),  # 4 million numbers: for two cores
    "large": PixelNetwork(  # 38 million, as Ho et al. 2020 have them for these pictures: for an accelerator
        channels=(128, 256, 256, 256), attends=(False, True, False, False), layers=2, head_width=64, groups=32
    ),
}
COURSES = {
    "small": {"batch_size": 32},
    "large": {"batch_size": 256, "learning_rate": 3e-4, "weight_decay": 1e-2, "rise": 500, "smoothing": 0.9995},
}
SHORT = ClassifierTrainer(augment="none", size=SIDE, steps=600, batch_size=64, calibrate=False)
CLASSIFIERS = {
    "small": SHORT,
    "resnet20": SHORT.with_(model=CifarResNet(width=64), steps=15_000, batch_size=256),  # the published shape
    "paper": PUBLISHED.with_(size=SIDE),  # and the published course: the more images, the longer
}


def main() -> None:
    options = _options()
    place = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    began = time.perf_counter()
    with place as folder, Run(Path(folder) / "cas", _worker(options, Path(folder)), max_failures=0) as run:
        data = read(options.data)
        choice = chosen(data, options.images_per_class)
        engine, model = _latent(run, choice, options) if options.pipeline else _pixels(run, choice, options)
        requests = options.times.requests(choice["train"], options.guidance, (SIDE, SIDE), seed=0)
        sets = options.times.nested(drawn(run, engine, requests), choice["train"])
        trials = tried(run, arms(run.worker, choice, sets, _classifier(options), options.seeds), data)
    said = {"seconds": round(time.perf_counter() - began), "train": len(choice["train"])}
    settings = {"guidance": options.guidance, "steps": options.steps, "classifier": options.classifier}
    print(json.dumps({"benchmark": "cas_cifar10", **said, **settings, "model": model, **scores(trials)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--folder", default=None)
    parser.add_argument("--images-per-class", type=int, default=None, help="photographs that are learnt from")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="small")
    parser.add_argument("--minutes", type=float, default=10, help="that the network learns, over all calls")
    parser.add_argument("--pipeline", default=None, help="a text-to-image model to be adapted, in place of a network")
    parser.add_argument("--epochs", type=_numbers, default="20,10", help="of its class encoder and of its denoiser")
    parser.add_argument("--times", type=_amount, default="1,2,4", help="drawings for each photograph")
    parser.add_argument("--guidance", type=float, default=1.0, help="1 costs half of any other")
    parser.add_argument("--steps", type=int, default=25, help="of a drawing")
    parser.add_argument("--classifier", choices=sorted(CLASSIFIERS), default="small")
    parser.add_argument("--classifier-steps", type=int, default=None, help="in place of how long it learns otherwise")
    parser.add_argument("--augment", default="none", help="how classifiers see what they learn from")
    parser.add_argument("--seeds", type=_numbers, default="0,1,2", help="of the classifiers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default=None, help="bfloat16 but on processors")
    parser.add_argument("--batch", type=int, default=256, help="drawings at once")
    return parser.parse_args()


def _numbers(said: str) -> list[int]:
    return [int(number) for number in said.split(",")]


def _amount(said: str) -> Amount:
    return Amount(times=tuple(_numbers(said)))


def _worker(options: argparse.Namespace, folder: Path) -> Worker:
    device = choose_device(options.device)
    dtype = options.dtype or ("float32" if device == "cpu" else "bfloat16")
    return Worker(workspace=folder, device=device, dtype=dtype, batch_size=options.batch)


def chosen(data: Collection, per_class: int | None) -> Choice:
    """Photographs to learn from, and others to choose the best state of each classifier by."""
    whole = data.splits["train"]
    if per_class is not None:
        train = shots(whole, per_class, 0)
        return {"train": train, "validation": hold_out(whole, max(1, per_class // 4), 0, without=train)}
    validation = hold_out(whole, HELD_OUT, 0, without=replace(whole, samples=(), weights=None))
    return {"train": unrelated(whole, validation), "validation": validation}


def _pixels(run: Run, choice: Choice, options: argparse.Namespace) -> tuple[DrawPixels, Mapping[str, Any]]:
    schedule = Schedule(seconds=60 * options.minutes, **COURSES[options.network])
    trainer = ClassPixelTrainer(network=NETWORKS[options.network], schedule=schedule)
    model = run.fit(trainer, f"a {options.network} network of pixels", **choice)
    said = {"network": options.network, **_rounded(model)}
    return DrawPixels(model=model, steps=options.steps), said


def _latent(run: Run, choice: Choice, options: argparse.Namespace) -> tuple[Diffuse, Mapping[str, Any]]:
    """First a class encoder learns beside the pipeline, then the pipeline's denoiser beside it."""
    first, second = options.epochs
    base, train = options.pipeline, choice["train"]
    trainer = AdaptationTrainer(base=base)
    encoder = run.fit(_lasting(trainer, first), "the class encoder", train=train)
    trainer = AdaptationTrainer(base=base, stage="denoiser", start=Adapted(model=encoder))
    model = run.fit(_lasting(trainer, second), "the denoiser", train=train)
    said = {"pipeline": base, "epochs": [first, second], "encoder": _rounded(encoder), "denoiser": _rounded(model)}
    return Diffuse(pipeline=base, classes=Adapted(model=model), steps=options.steps), said


def _lasting(trainer: AdaptationTrainer, epochs: int) -> AdaptationTrainer:
    return trainer.model_copy(update={"schedule": trainer.schedule.model_copy(update={"epochs": epochs})})


def _rounded(model: Artifact) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in model.numbers.items() if isinstance(value, int | float)}


def _classifier(options: argparse.Namespace) -> ClassifierTrainer:
    steps = {"steps": options.classifier_steps, "epochs": None} if options.classifier_steps else {}
    return CLASSIFIERS[options.classifier].with_(augment=options.augment, **steps)


def scores(trials: Sequence[Trial]) -> dict[str, Any]:
    """Each number in percent by method, mean and interval over seeds, and accuracy as a part of the photographs'."""
    found = {
        method: [numbers(trial, "test") for trial in trials if trial.method == method] for method in methods(trials)
    }
    said: dict[str, Any] = {}
    for name in ("accuracy", "top_5", "balanced_accuracy"):
        intervals = {method: mean_interval([100 * one[name] for one in own]) for method, own in found.items()}
        said[name] = {
            method: [round(number, 2) for number in (one.mean, one.low, one.high) if number is not None]
            for method, one in intervals.items()
        }
    return {**said, "of_real": {method: round(part, 4) for method, part in of_real(trials, "test").items()}}


if __name__ == "__main__":
    main()

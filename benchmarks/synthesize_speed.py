"""What a synthetic set's making and measuring cost beside the usual ways, both in one run. Prints one JSON line.

python benchmarks/synthesize_speed.py --what adapt [--images 128 --stage denoiser --device cpu]
python benchmarks/synthesize_speed.py --what guidance [--images 16 --device cpu]
python benchmarks/synthesize_speed.py --what fid [--images 500 --features 2048]
python benchmarks/synthesize_speed.py --what prdc [--images 10000 --features 64]
python benchmarks/synthesize_speed.py --what prdc-memory [--images 50000 --features 64]

adapt: steps of 16 pictures in which the zoo's pipeline learns classes, its autoencoder's answers kept, which is counted
too, and asked for each batch anew as the published way has it.
guidance: drawing classes with the zoo's pipeline in 20 steps at guidance 1 and at guidance 2.
fid: the Fréchet distance of few pictures with many features from the singular values of the crossed Gram matrix, and
from the eigenvalues of the product of the covariances.
prdc: precision, recall, density and coverage a block at a time, and from whole matrices of distances.
prdc-memory: ours alone, with the memory that it takes beyond the features themselves.
Processor time, which others share; where an accelerator works, time by the clock.
"""

import argparse
import json
import platform
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from counterfactory.data.read import read
from counterfactory.diffusion.adaptation import Data, begun
from counterfactory.diffusion.adapted import AdaptationTrainer
from counterfactory.diffusion.drawing import draw, drawn_latents, open_parts
from counterfactory.diffusion.foundation import open_frozen
from counterfactory.diffusion.latents import kept_moments, moments
from counterfactory.metrics.distances import frechet_distance
from counterfactory.metrics.fidelity import NEIGHBOURS, fidelity
from counterfactory.names import model_folder
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.pictures import to_tensor
from counterfactory.types import Request
from counterfactory.worker import Worker

Features = NDArray[np.floating[Any]]
BATCH, EPOCHS = 16, 20  # of an adaptation


def adapt(options: argparse.Namespace) -> dict[str, Any]:
    """Both ways through the same pictures with the same noise; the loss says that both learn the same."""
    shown = read(f"diorama:train={options.images or 128},validation=0,test=0").splits["train"]
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(workspace=Path(folder), device=options.device, processes=1)
        pictures = np.load(kept_pictures(worker, shown, 64))
        autoencoder = str(model_folder("zoo:diorama") / "vae")
        kept, encoding = timed(lambda: np.load(kept_moments(worker, shown, autoencoder, 64)), options.device)
        parts, noising = open_frozen("zoo:diorama", worker)
    trainer = AdaptationTrainer(base="zoo:diorama")
    parts = replace(parts, classes=begun(parts, trainer, shown.classes, 64).to(options.device))
    labels = np.array([sample.target for sample in shown.samples])
    asked = Asked(autoencoder=parts.autoencoder, pictures=pictures)
    ways = {
        name: Data(parts=parts, noising=noising, moments=way, rows=np.arange(len(shown)), labels=labels, size=64)
        for name, way in {"kept": kept, "asked": asked}.items()
    }
    learning = parts.classes if options.stage == "encoder" else parts.unet
    learning.requires_grad_(True)
    steps = len(shown) // BATCH
    spent = {"kept": encoding / EPOCHS, "asked": 0.0}
    losses = {"kept": 0.0, "asked": 0.0}
    for step in range(-1, steps):  # the first warms up
        for name, way in ways.items():
            loss, seconds = timed(lambda way=way, step=step: stepped(way, learning, step), options.device)
            if step >= 0:
                spent[name] += seconds
                losses[name] += loss / steps
    rates = {f"{name}_steps_per_s": steps / seconds for name, seconds in spent.items()}
    return {**rates, "ratio": spent["asked"] / spent["kept"], "loss": losses["kept"], "loss_asked": losses["asked"]}


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What an autoencoder says of pictures, asked at the moment."""

    autoencoder: Any
    pictures: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        x_BCHW = to_tensor(self.pictures[rows]).to(self.autoencoder.device)
        return moments(self.autoencoder, x_BCHW).cpu().numpy()


def stepped(data: Data, learning: torch.nn.Module, step: int) -> float:
    """One step's work but for the optimizer's, which both ways share."""
    start = max(step, 0) * BATCH
    generator = torch.Generator(data.noising.signal.device).manual_seed(step + 1)
    loss = data.loss(np.arange(start, start + BATCH), 0.1, generator)
    loss.backward()
    learning.zero_grad()
    return float(loss.detach())


def guidance(options: argparse.Namespace) -> dict[str, Any]:
    """With half of the network's work and with all of it; `drawing` leaves out what the autoencoder does."""
    parts = open_parts("zoo:diorama", options.device)
    classes = ("car", "bus", "house", "tree", "boat", "dog", "cat", "cup", "chair", "plane")
    parts = replace(parts, classes=begun(parts, AdaptationTrainer(base="zoo:diorama"), classes, 64).to(options.device))
    count = options.images or 16
    spent: dict[str, float] = {}
    for turn in range(4):  # the first warms up
        for scale in (1.0, 2.0):
            asked = [Request(prompt="", seed=n, label=n % len(classes), guidance=scale) for n in range(count)]
            for name, work in {"drawing": drawn_latents, "whole": draw}.items():
                _, seconds = timed(lambda work=work, asked=asked: work(parts, asked, 20), options.device)
                spent[f"{name}_{scale:g}_s"] = spent.get(f"{name}_{scale:g}_s", 0.0) + seconds * (turn > 0)
    ratios = {f"{name}_ratio": spent[f"{name}_1_s"] / spent[f"{name}_2_s"] for name in ("drawing", "whole")}
    return {**spent, **ratios}


def fid(options: argparse.Namespace) -> dict[str, Any]:
    """Both ways to the same distance."""
    width = options.features or 2048
    real, made = features(options.images or 500, width, width)
    ours, quick = timed(lambda: frechet_distance(real, made))
    theirs, slow = timed(lambda: by_eigenvalues(real, made))
    itself = {"of_itself": frechet_distance(real, real), "of_itself_eigenvalues": by_eigenvalues(real, real)}
    apart = abs(ours - theirs) / ours
    return {"seconds": quick, "eigenvalues_s": slow, "ratio": slow / quick, "value": ours, "apart": apart, **itself}


def prdc(options: argparse.Namespace) -> dict[str, Any]:
    """Both ways to the same four numbers."""
    real, made = features(options.images or 10_000, options.features or 64)
    ours, quick = timed(lambda: fidelity(real, made))
    theirs, slow = timed(lambda: by_whole_matrices(real, made))
    apart = max(abs(ours[name] - theirs[name]) for name in ours)
    return {"seconds": quick, "whole_matrices_s": slow, "ratio": slow / quick, **ours, "apart": apart}


def prdc_memory(options: argparse.Namespace) -> dict[str, Any]:
    """At a size whose matrices nobody holds."""
    real, made = features(options.images or 50_000, options.features or 64)
    tracemalloc.start()
    found, seconds = timed(lambda: fidelity(real, made))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sizes = {"peak_mb": most, "features_mb": 2 * real.nbytes, "one_matrix_mb": 8 * len(real) * len(made)}
    return {"seconds": seconds, **found, **{name: size / 1e6 for name, size in sizes.items()}}


def features(images: int, width: int, directions: int = 32) -> tuple[Features, Features]:
    """Of real and made pictures, the latter a little aside; they differ most in so many directions."""
    random = np.random.default_rng(0)
    mixing = random.standard_normal((directions, width)) / directions**0.5
    real, made = (random.standard_normal((images, len(mixing))) @ mixing for _ in range(2))
    noise = (0.3 * random.standard_normal((images, width)) for _ in range(2))
    return (real + next(noise)).astype(np.float32), (made + next(noise) + 0.1).astype(np.float32)


def by_eigenvalues(real: Features, made: Features) -> float:
    """As the equation has it."""
    one, other = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(one @ other).astype(complex)).real
    apart = np.square(real.mean(0, dtype=np.float64) - made.mean(0, dtype=np.float64)).sum()
    return float(apart + np.trace(one) + np.trace(other) - 2 * roots.sum())


def by_whole_matrices(real: Features, made: Features) -> dict[str, float]:
    """As the definitions have it: three matrices of distances, one after the other."""
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    real_N, made_M = neighbour(distances(real, real)), neighbour(distances(made, made))
    apart = distances(real, made)
    inside = apart <= real_N[:, None]
    return {
        "precision": float(inside.any(0).mean()),
        "recall": float((apart <= made_M).any(1).mean()),
        "density": float(inside.sum(0).mean() / NEIGHBOURS),
        "coverage": float((apart.min(1) <= real_N).mean()),
    }


def distances(one: Features, other: Features) -> Features:
    """All to all."""
    squares = -2 * one @ other.T
    squares += np.square(one).sum(1)[:, None]
    squares += np.square(other).sum(1)
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


def neighbour(apart: Features) -> Features:
    """How far the last of the neighbours is, beside each itself."""
    nearest = np.argpartition(apart, NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]
    return np.take_along_axis(apart, nearest, 1).max(1)


def timed(work: Callable[[], Any], device: str = "cpu") -> tuple[Any, float]:
    """What came of it, and how many seconds it took."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    began = clock()
    found = work()
    if device != "cpu":
        torch.get_device_module(device).synchronize()
    return found, clock() - began


WHAT = {"adapt": adapt, "guidance": guidance, "fid": fid, "prdc": prdc, "prdc-memory": prdc_memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=WHAT, required=True)
    parser.add_argument("--images", type=int, help="in each set")
    parser.add_argument("--features", type=int, help="of a picture")
    parser.add_argument("--stage", choices=("encoder", "denoiser"), default="encoder", help="of the adaptation")
    parser.add_argument("--device", default="cpu", help="for adapt and guidance")
    options = parser.parse_args()
    found = {name: float(f"{value:.4g}") for name, value in WHAT[options.what](options).items()}
    print(json.dumps({"benchmark": f"synthesize_speed {options.what}", **found, "machine": platform.machine()}))


if __name__ == "__main__":
    main()

"""Trains one of the zoo's models: `python -m counterfactory.zoo.train --model autoencoder --minutes 30`."""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from counterfactory.diffusion.arrays import kept_pictures
from counterfactory.diffusion.schedule import Schedule
from counterfactory.diffusion.trainers import AutoencoderTrainer, LatentTrainer
from counterfactory.errors import BadConfig
from counterfactory.worker import Worker, choose_device
from counterfactory.zoo.world import seen_scenes

NUMBERS = "numbers.json"  # in a model's folder: what came of its training, and that it has ended


def main(arguments: list[str] | None = None) -> None:
    """Trains until the time is spent, over as many sittings as it takes; prints what came of it."""
    said = _parser().parse_args(arguments)
    worker = Worker(
        workspace=said.folder, device=choose_device(said.device), dtype=said.dtype, processes=said.processes
    )
    numbers = said.folder / said.model / NUMBERS
    numbers.unlink(missing_ok=True)
    came = json.dumps(dict(MODELS[said.model](said, worker)))
    numbers.write_text(came + "\n")
    print(came)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m counterfactory.zoo.train", description=main.__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of training in all; more of them go on")
    parser.add_argument("--processes", type=int, default=1, help="that train together, one core each")
    parser.add_argument("--folder", type=Path, default=Path(".checkpoints/zoo"))
    parser.add_argument("--scenes", type=int, default=None, help="different scenes to render and learn from")
    parser.add_argument("--batch", type=int, default=None, help="images a step of each process")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    return parser


def _autoencoder(said: argparse.Namespace, worker: Worker) -> Mapping[str, Any]:
    from counterfactory.diffusion.autoencoder import trained

    trainer = AutoencoderTrainer()
    trainer = trainer.model_copy(update={"schedule": _within(trainer.schedule, said)})
    data = {"train": seen_scenes("train", said.scenes or 24_000), "validation": seen_scenes("validation", 64)}
    return trained(trainer, worker, said.folder / "autoencoder", data)


def _within(schedule: Schedule, said: argparse.Namespace) -> Schedule:
    """A model's usual course in the time that was given."""
    fields = schedule.model_dump() | {"images": None, "seconds": said.minutes * 60, "processes": said.processes}
    return Schedule(**fields | ({"batch_size": said.batch} if said.batch else {}))


def _latent(said: argparse.Namespace, worker: Worker) -> Mapping[str, Any]:
    from counterfactory.diffusion.latent import trained

    data = {"train": seen_scenes("train", said.scenes or 100_000), "validation": seen_scenes("validation", 64)}
    kept_pictures(worker, data["train"], 64)  # the autoencoder may be learning still
    trainer = LatentTrainer(autoencoder=str(_frozen(said.folder / "autoencoder", said.folder / "latent" / "frozen")))
    trainer = trainer.model_copy(update={"schedule": _within(trainer.schedule, said)})
    return trained(trainer, worker, said.folder / "latent", data)


def _frozen(autoencoder: Path, copy: Path) -> Path:
    """A copy of the autoencoder as it is at the first call: what learns in its latents goes on with the same ones."""
    if not copy.exists():
        if not (autoencoder / NUMBERS).exists():
            raise BadConfig(f"There is no finished autoencoder in {autoencoder}; train it first: --model autoencoder.")
        part = copy.with_suffix(".part")
        shutil.copytree(autoencoder, part, ignore=shutil.ignore_patterns("training", NUMBERS), dirs_exist_ok=True)
        part.rename(copy)
    return copy


Training = Callable[[argparse.Namespace, Worker], Mapping[str, Any]]
MODELS: Mapping[str, Training] = {"autoencoder": _autoencoder, "latent": _latent}

if __name__ == "__main__":
    main()

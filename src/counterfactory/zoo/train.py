"""Trains one of the zoo's models: `python -m counterfactory.zoo.train --model autoencoder --minutes 30`."""

import argparse
import importlib
import json
from pathlib import Path

from counterfactory.worker import Worker, choose_device
from counterfactory.zoo.order import NUMBERS, Order

MODELS = (
    "judge",
    "classifier",
    "classifier_usual",
    "segmenter",
    "autoencoder",
    "latent",
    "ddpm",
    "clip_first",
    "captioner",
    "clip",
    "controlnet_edges",
    "controlnet_masks",
    "ip_adapter",
)  # a module here each, with `train(order, worker)`


def main(arguments: list[str] | None = None) -> None:
    """Trains until the time is spent, over as many sittings as it takes; prints what came of it."""
    parser = _parser()
    said = parser.parse_args(arguments)
    if said.start and said.model != "ddpm":
        parser.error(f"--start: {said.model} begins with nothing; only ddpm can begin with a trained model.")
    worker = Worker(workspace=said.zoo, device=choose_device(said.device), dtype=said.dtype, processes=said.processes)
    order = Order(**{name: value for name, value in vars(said).items() if name not in {"device", "dtype"}})
    numbers = order.folder / NUMBERS
    numbers.unlink(missing_ok=True)
    came = json.dumps(dict(importlib.import_module(f"counterfactory.zoo.{order.model}").train(order, worker)))
    numbers.write_text(came + "\n")
    print(came)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m counterfactory.zoo.train", description=main.__doc__)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of training in all; more of them go on")
    parser.add_argument("--processes", type=int, default=1, help="that train together, one core each")
    parser.add_argument("--folder", dest="zoo", type=Path, default=Path(".checkpoints/zoo"))
    parser.add_argument("--scenes", type=int, default=None, help="different scenes to render and learn from")
    parser.add_argument("--batch", type=int, default=None, help="images a step of each process")
    parser.add_argument("--start", default=None, help="for ddpm: a trained one to begin with, say zoo:diorama/ddpm")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    return parser


if __name__ == "__main__":
    main()

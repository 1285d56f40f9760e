"""Trains the whole zoo from nothing, within a time for all: `python -m counterfactory.zoo.rebuild --minutes 600`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from counterfactory.errors import BadConfig, Unavailable, unknown, writing
from counterfactory.worker import choose_device
from counterfactory.zoo.order import NUMBERS
from counterfactory.zoo.pack import DIORAMA, pack
from counterfactory.zoo.train import MODELS

# Of the time that all models have together; the others learn from, or beside, what comes before them.
SHARES: Mapping[str, float] = {
    "judge": 0.04,
    "classifier": 0.02,
    "classifier_usual": 0.01,
    "segmenter": 0.01,
    "autoencoder": 0.08,
    "latent": 0.40,
    "clip_first": 0.05,
    "captioner": 0.05,
    "clip": 0.04,
    "controlnet_edges": 0.09,
    "controlnet_masks": 0.09,
    "ip_adapter": 0.06,
    "ddpm": 0.06,
}
SPENT = "rebuilt.json"  # in the zoo's folder: the minutes that each finished model was given


def main(arguments: list[str] | None = None) -> None:
    """Trains one model after the other and packs them; given again after a kill, it goes on where it was."""
    said = _parser().parse_args(arguments)
    device = choose_device(said.device)
    dtype = said.dtype or ("float32" if device == "cpu" else "bfloat16")
    machine = ["--device", device, "--dtype", dtype, "--processes", str(said.processes), "--folder", str(said.folder)]
    more = [
        word for name in ("scenes", "batch") if getattr(said, name) for word in (f"--{name}", str(vars(said)[name]))
    ]
    for model, minutes in plan(said.models, said.minutes).items():
        if _is_done(said.folder, model, minutes):
            print(f"{model}: trained before.", flush=True)
            continue
        print(f"{model}: {minutes:.1f} minutes.", flush=True)
        _train([model, *machine, *more], minutes)
        _note(said.folder, model, minutes)
    for sentence in pack(said.folder, said.out):
        print(sentence, flush=True)


def plan(models: Sequence[str], minutes: float) -> dict[str, float]:
    """The minutes of each model, in the order in which they build on each other."""
    for model in models:
        if model not in MODELS:
            raise unknown("model of the zoo", model, MODELS)
    if minutes <= 0:
        raise BadConfig(f"--minutes {minutes:g}: expected more than none, for all models together.")
    chosen = [model for model in MODELS if model in models]
    whole = sum(SHARES[model] for model in chosen)
    return {model: minutes * SHARES[model] / whole for model in chosen}


def _train(words: list[str], minutes: float) -> None:
    """In a process of its own: what it takes of memory is given back."""
    model, *machine = words
    command = [sys.executable, "-m", "counterfactory.zoo.train", "--model", model, "--minutes", str(minutes), *machine]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # more of them wait for each other on a busy machine
    ended = subprocess.run(command, env=one_thread, check=False)  # noqa: S603 - our own module
    if ended.returncode:
        raise Unavailable(
            f"The training of {model} ended with code {ended.returncode}; it says above why. "
            "What it has learnt is kept: the same command goes on there."
        )


def _is_done(folder: Path, model: str, minutes: float) -> bool:
    return (folder / model / NUMBERS).is_file() and _spent(folder).get(model, 0.0) >= minutes


def _spent(folder: Path) -> dict[str, float]:
    path = folder / SPENT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _note(folder: Path, model: str, minutes: float) -> None:
    path = folder / SPENT
    part = path.with_suffix(".part")
    with writing(folder):
        part.write_text(json.dumps({**_spent(folder), model: minutes}, indent=2) + "\n", encoding="utf-8")
        part.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m counterfactory.zoo.rebuild", description=main.__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="of training, for all models together")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help="only these, which share the time")
    parser.add_argument("--processes", type=int, default=1, help="that train together, one core each")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default=None, help="16 bits where not on a CPU")
    parser.add_argument("--folder", type=Path, default=Path(".checkpoints/zoo"), help="where the trainings are kept")
    parser.add_argument("--out", type=Path, default=DIORAMA, help="where the finished models go")
    parser.add_argument("--scenes", type=int, default=None, help="different scenes to learn from; to try it out")
    parser.add_argument("--batch", type=int, default=None, help="images a step of each process; to try it out")
    return parser


if __name__ == "__main__":
    main()

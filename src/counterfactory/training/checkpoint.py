"""A training's state on disk: weights, their average, each process's optimizer; in force once the json names it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from counterfactory.errors import writing
from counterfactory.training.team import Team

NAME = "checkpoint.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training has come, over all sittings."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """What changes in a training besides its progress; the average is the leader's alone."""

    module: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer


def keep(state: State, progress: Progress, folder: Path, team: Team) -> None:
    """Writes the state: whole or not at all, whenever the process is killed."""
    tensors = _below("optimizer", optimizer_tensors(state.optimizer))
    if team.leads:
        tensors |= _below("now", state.module.state_dict()) | _below("average", state.average.state_dict())
    with writing(folder):
        _write(folder / _file(progress.step, team.rank), tensors)
        team.wait()
        if team.leads:
            part = folder / "checkpoint.part"
            part.write_text(json.dumps({**asdict(progress), "processes": team.size}))
            os.replace(part, folder / NAME)
            _forget(folder, progress.step)
    team.wait()


def resume(state: State, folder: Path, team: Team, device: str) -> Progress:
    """Puts a kept state back in place; a beginning where there is none."""
    if not (folder / NAME).exists():
        return Progress()
    said = json.loads((folder / NAME).read_text())
    mine = min(team.rank, said.pop("processes") - 1)  # a larger team than before shares the last one's optimizer
    progress = Progress(**said)
    shared = load_file(folder / _file(progress.step, 0), device=device)
    state.module.load_state_dict(_above("now", shared))
    state.average.load_state_dict(_above("average", shared))
    own = shared if mine == 0 else load_file(folder / _file(progress.step, mine), device=device)
    restore_optimizer(state.optimizer, _above("optimizer", own))
    return progress


def _file(step: int, rank: int) -> str:
    return f"checkpoint-{step:09d}-{rank}.safetensors"


def _forget(folder: Path, step: int) -> None:
    """Removes all checkpoints but the one that is in force."""
    for path in folder.glob("checkpoint-*"):
        if not path.name.startswith(f"checkpoint-{step:09d}-"):
            path.unlink()


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    part = path.with_suffix(".part")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)
    os.replace(part, path)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers, by the number of the parameter and the name of what it is."""
    states = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, state in states.items() for name, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The other way round."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, _, what = name.partition(".")
        like = parameters[int(number)]
        # fused AdamW walks memory in its own order, so a state must lie as its parameter does
        laid = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        states.setdefault(int(number), {})[what] = laid
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _above(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}

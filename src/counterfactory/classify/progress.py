"""Where a training is, and how it goes on after a kill: one file of weights, best weights and the optimizer's."""

import json
import os
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from counterfactory.errors import writing
from counterfactory.training.checkpoint import optimizer_tensors, restore_optimizer

EVERY_STEPS = 500
EVERY_SECONDS = 30.0


@dataclass(kw_only=True)
class Progress:
    """What the loop knows between two steps."""

    step: int = 0
    best_step: int = 0
    best_score: tuple[float, float] | None = None
    waited: int = 0  # evaluations since the best one
    history: list[tuple[int, float, float, float]] = field(
        default_factory=list
    )  # step, loss, validation loss, accuracy
    losses: list[float] = field(default_factory=list)  # since the last evaluation
    best: dict[str, Tensor] = field(default_factory=dict)  # copies of what learns


def learned(module: nn.Module) -> dict[str, Tensor]:
    """The weights that learn and the statistics that move, as they are now and not as they will be."""
    still = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items() if name not in still}


def restore(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Puts back what `learned` took."""
    module.load_state_dict(weights, strict=False)


@dataclass(kw_only=True)
class Keeper:
    """Saves a training's state now and then, whole or not at all."""

    path: Path
    saved_step: int = 0
    saved_time: float = field(default_factory=time.monotonic)

    def save_when_due(self, progress: Progress, module: nn.Module, optimizer: Any, scaler: Any) -> None:
        """After so many steps or seconds, whichever comes first."""
        due = progress.step - self.saved_step >= EVERY_STEPS or time.monotonic() - self.saved_time >= EVERY_SECONDS
        if not due:
            return
        tensors = {f"now.{name}": tensor for name, tensor in learned(module).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in progress.best.items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(optimizer).items()}
        said = {known.name: getattr(progress, known.name) for known in fields(progress) if known.name != "best"}
        said["scaler"] = scaler.state_dict() if scaler is not None else None
        part = self.path.with_suffix(".part")
        with writing(self.path.parent):
            contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            save_file(contiguous, part, metadata={"progress": json.dumps(said)})
            os.replace(part, self.path)
        self.saved_step, self.saved_time = progress.step, time.monotonic()

    def resume(self, module: nn.Module, optimizer: Any, scaler: Any) -> Progress:
        """The state of a killed call, put back into its places; a beginning where there is none."""
        if not self.path.exists():
            return Progress()
        with safe_open(self.path, framework="pt") as file:
            said = json.loads(file.metadata()["progress"])
        tensors = load_file(self.path)
        restore(module, _below("now.", tensors))
        restore_optimizer(optimizer, _below("optimizer.", tensors))
        if (state := said.pop("scaler")) is not None:
            scaler.load_state_dict(state)
        said["best_score"] = tuple(said["best_score"]) if said["best_score"] else None
        said["history"] = [tuple(row) for row in said["history"]]
        self.saved_step = said["step"]
        return Progress(**said, best=_below("best.", tensors))


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

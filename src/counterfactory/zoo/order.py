"""What one training of the zoo is asked for, whichever model it makes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from counterfactory.training.schedule import Schedule

NUMBERS = "numbers.json"  # in a model's folder: what came of its training, and that it has ended
Trainer = TypeVar("Trainer", bound=Any)


@dataclass(frozen=True, kw_only=True)
class Order:
    """How long, with how many hands, and where."""

    model: str
    zoo: Path  # the folder that all models share; each has one of its own in it
    minutes: float  # of training in all, over all sittings
    processes: int = 1  # that train together, one core each
    scenes: int | None = None  # different ones to learn from; the model's own number by default
    batch: int | None = None  # images a step of each process
    start: str | None = None  # a trained model to begin with, where a training's own state is lost

    @property
    def folder(self) -> Path:
        """The model's own."""
        return self.zoo / self.model

    def within(self, trainer: Trainer) -> Trainer:
        """A trainer with its usual course, in the time that is given."""
        changes: dict[str, Any] = {"images": None, "seconds": self.minutes * 60, "processes": self.processes}
        if self.batch:
            changes["batch_size"] = self.batch
        schedule = Schedule(**trainer.schedule.model_dump() | changes)
        return trainer.model_copy(update={"schedule": schedule})  # type: ignore[no-any-return]

"""How long a generative training goes on and how fast it learns; plain configuration, no torch."""

import math
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Schedule(BaseModel, frozen=True, extra="forbid"):
    """The course of a training, whatever is trained. It is exact, but with `seconds` it heeds the clock."""

    images: Count | None = None  # seen in all, each as often as it comes
    epochs: Count | None = None  # passes over the data
    seconds: Positive | None = None  # of training, over all sittings
    batch_size: Count = 64  # of each process
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    second_beta: Annotated[float, Field(gt=0, lt=1)] = 0.98
    rise: Count = 100  # steps of growing learning rate
    fall: Annotated[float, Field(gt=0, le=1)] = 0.4  # the last part of the budget, in which the learning rate falls
    lowest: Annotated[float, Field(ge=0, le=1)] = 0.05  # part of the learning rate that is left at the end
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.9985  # of the average of the weights, which is what is kept
    processes: Count = 1  # with one thread each; their weights are averaged now and then
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_budget(self) -> "Schedule":
        if [self.images, self.epochs, self.seconds].count(None) != 2:
            raise ValueError("say how long to train: either images or seconds or epochs, and one of them only.")
        return self

    def over(self, length: int) -> "Schedule":
        """The same for data of so many rows: epochs become images."""
        return self.model_copy(update={"images": self.epochs * length, "epochs": None}) if self.epochs else self

    def done(self, images: int, seconds: float) -> float:
        """The part of the budget that is spent."""
        return images / self.images if self.images is not None else seconds / (self.seconds or math.inf)

    def rate(self, step: int, done: float) -> float:
        """A linear rise, a plateau, and at last half a cosine down to what is left."""
        rise = min(1.0, (step + 1) / self.rise)
        fall = max(0.0, min(1.0, (done - (1 - self.fall)) / self.fall))
        return self.learning_rate * rise * (self.lowest + (1 - self.lowest) * (1 + math.cos(math.pi * fall)) / 2)

    def average(self, step: int) -> float:
        """How much of the average stays at a step: little at first, when the weights run away from it."""
        return min(self.smoothing, (step + 1) / (step + 16))

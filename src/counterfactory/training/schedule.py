"""How long a generative training goes on and how fast it learns; plain configuration, no torch."""

import math
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Schedule(BaseModel, frozen=True, extra="forbid"):
    """The course of a training, whatever is trained. With `images` it is exact; with `seconds` it heeds the clock."""

    images: Count | None = None  # seen in all, each as often as it comes
    seconds: Positive | None = None  # of training, over all sittings
    batch_size: Count = 64  # of each process
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    second_beta: Annotated[float, Field(gt=0, lt=1)] = 0.98
    rise: Count = 100  # steps of growing learning rate
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.9985  # of the average of the weights, which is what is kept
    processes: Count = 1  # with one thread each; their weights are averaged now and then
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_budget(self) -> "Schedule":
        if (self.images is None) == (self.seconds is None):
            raise ValueError("say how long to train: either images or seconds, and not both.")
        return self

    def done(self, images: int, seconds: float) -> float:
        """The part of the budget that is spent."""
        return images / self.images if self.images is not None else seconds / (self.seconds or math.inf)

    def rate(self, step: int, done: float) -> float:
        """A linear rise, a plateau, and over the last 40 % half a cosine down to a twentieth."""
        rise = min(1.0, (step + 1) / self.rise)
        fall = max(0.0, min(1.0, (done - 0.6) / 0.4))
        return self.learning_rate * rise * (0.05 + 0.95 * (1 + math.cos(math.pi * fall)) / 2)

    def average(self, step: int) -> float:
        """How much of the average stays at a step: little at first, when the weights run away from it."""
        return min(self.smoothing, (step + 1) / (step + 16))

"""Where to look for the best settings and for how long: configuration only."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

from counterfactory.types import Plain

Settings = Mapping[str, Any]
Count = Annotated[int, Field(ge=1)]


class Whole(BaseModel, frozen=True, extra="forbid"):
    """Whole numbers, both bounds among them."""

    low: int
    high: int

    def holds(self, value: Any) -> bool:
        """Whether a value is one of these."""
        return isinstance(value, int) and self.low <= value <= self.high


class Real(BaseModel, frozen=True, extra="forbid"):
    """Numbers between two bounds."""

    low: float
    high: float

    def holds(self, value: Any) -> bool:
        """Whether a value is one of these."""
        return isinstance(value, int | float) and self.low <= value <= self.high


class Choice(BaseModel, frozen=True, extra="forbid"):
    """Some values."""

    values: Annotated[tuple[Plain, ...], Field(min_length=1)]

    def holds(self, value: Any) -> bool:
        """Whether a value is one of these."""
        return value in self.values


class Search(BaseModel, frozen=True, extra="forbid"):
    """A space of settings, how many of them are tried, and how the last candidates are told apart."""

    space: Mapping[str, Whole | Real | Choice]
    trials: Count
    first: tuple[Settings, ...] = ()  # tried before all others: the usual ones, say
    rung: Count | None = None  # steps after which trials are compared and the worse ones stopped; None: never
    reduction: Annotated[int, Field(ge=2)] = 3  # one of so many goes on from a rung, to one so many times as far
    finalists: Count = 1
    repeats: Annotated[int, Field(ge=0)] = 0  # other seeds that a finalist is scored with; their mean decides
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _can_be_looked_through(self) -> "Search":
        for name, values in self.space.items():
            if not isinstance(values, Choice) and values.low > values.high:
                raise ValueError(
                    f"space: {name} goes from {values.low} to {values.high}; expected the lower one first."
                )
        for settings in self.first:
            if settings.keys() != self.space.keys():
                raise ValueError(f"first: {dict(settings)} should name {', '.join(self.space)} and nothing else.")
            for name, value in settings.items():
                if not self.space[name].holds(value):
                    raise ValueError(f"first: {name} = {value} lies outside of the space: {self.space[name]}.")
        return self

    @property
    def course(self) -> "Search":
        """What its trials follow from, however many there are."""
        return self.model_copy(update={"trials": 1, "finalists": 1, "repeats": 0})

"""Which ways of drawing a search tries, and by what each is judged: configuration, and the way that settings mean."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.schedulers import SchedulerName
from counterfactory.keys import seed_for
from counterfactory.recipes.generators import Way
from counterfactory.search.plan import Choice, Real, Search, Settings, Whole

Count = Annotated[int, Field(ge=1)]
Steps = Annotated[int, Field(ge=1, le=1000)]
Positive = Annotated[float, Field(ge=0)]
TIMES = 1000  # of which the published sampler takes each (TIMES // steps)-th, so that 45 steps are 46
QUICK = ClassifierTrainer(steps=200, evaluate_every=50, calibrate=False)


def made_of(steps: int) -> int:
    """How many steps the published sampler takes where so many are asked for."""
    return len(range(1, TIMES, TIMES // steps))


class Tuning(BaseModel, frozen=True, extra="forbid"):
    """A search of how to draw after each part that learnt."""

    version: ClassVar[int] = 1

    trials: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(12, 8), description="ways that are tried after the first part, the second and so on; 0 for none"
    )
    images: Count = Field(default=200, description="drawn for a trial, as many of each class")
    steps: tuple[Steps, Steps] = Field(default=(5, 25), description="the least and the most; later up to the best")
    guidance: tuple[Positive, Positive] = Field(
        default=(0.0, 7.5), description="the least and the most; later up to twice the best"
    )
    grain: Positive = Field(default=0.25, description="guidance is a multiple of it, as 1 is, which costs half; 0: any")
    schedulers: tuple[SchedulerName, ...] = Field(default=(), description="that are tried; [] for the usual one alone")
    etas: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(), description="that are tried with the scheduler ddim"
    )
    published_steps: bool = Field(default=False, description="steps are as many as the published sampler makes of them")
    classifier: ClassifierTrainer = Field(default=QUICK, description="that learns from the drawings of a trial")
    measure: Literal["balanced_accuracy", "accuracy"] = Field(default="balanced_accuracy", description="its score")
    split: Literal["validation", "test"] = Field(
        default="validation", description="that it is scored on; with test every later number flatters"
    )
    rung: Count | None = Field(default=50, description="its steps after which the worse trials end; null: never")
    reduction: Annotated[int, Field(ge=2)] = Field(
        default=2, description="of so many one goes on there, and again after so many times as many steps"
    )
    finalists: Count = Field(default=2, description="the best trials, which are scored again")
    repeats: Annotated[int, Field(ge=0)] = Field(default=2, description="seeds with which they are")

    @model_validator(mode="after")
    def _least_first(self) -> "Tuning":
        for name, (least, most) in {"steps": self.steps, "guidance": self.guidance}.items():
            if least > most:
                raise ValueError(f"{name} go from {least} to {most}; give the least first.")
        return self

    def trials_after(self, number: int) -> int:
        """Trials after the part of a number, from 0."""
        return self.trials[number] if number < len(self.trials) else 0

    def search(self, number: int, kept: Sequence[int], usual: Way, best: Way | None, seed: int) -> Search:
        """Where to look after a part, of which some epochs were kept; `best` is the way that was best before it."""
        space = self._space(kept, best)
        later = (
            [self.usual(best.model_copy(update={"epoch": None}), kept)] if best else []
        )  # its epoch was another part's
        known = [{name: self._setting(name, getattr(way, name)) for name in space} for way in (usual, *later)]
        inside = [one for one in known if all(space[name].holds(value) for name, value in one.items())]
        return Search(
            space=space,
            trials=self.trials_after(number),
            first=tuple(one for place, one in enumerate(inside) if one not in inside[:place]),
            rung=self.rung,
            reduction=self.reduction,
            finalists=self.finalists,
            repeats=self.repeats,
            seed=seed_for("tuning", seed, number),
        )

    def way(self, settings: Settings, kept: Sequence[int], usual: Way) -> Way:
        """The way that some settings stand for: equal ways draw equal pictures."""
        said = dict(settings)
        if "epoch" in said:
            said["epoch"] = min(kept, key=lambda epoch: (abs(epoch - said["epoch"]), epoch))
        if self.grain:
            said["guidance"] = round(said["guidance"] / self.grain) * self.grain
        if self.published_steps:
            said["steps"] = made_of(said["steps"])
        if said.get("scheduler", usual.scheduler) != "ddim":
            said["eta"] = 0.0
        return usual.model_copy(update=said)

    def usual(self, way: Way, kept: Sequence[int]) -> Way:
        """A way by hand, with the epoch that it means."""
        return way.model_copy(update={"epoch": way.epoch or kept[-1]}) if kept else way

    def _setting(self, name: str, value: Any) -> Any:
        """What the search calls a value of a way."""
        if name == "steps" and self.published_steps:
            return next((steps for steps in range(1, TIMES + 1) if made_of(steps) == value), value)
        return value

    def _space(self, kept: Sequence[int], best: Way | None) -> dict[str, Whole | Real | Choice]:
        """Round 1 looks everywhere, round 2 around what was best (Lomurno et al. 2024)."""
        (fewest, most), (least, strongest) = self.steps, self.guidance
        if best is not None:
            most = max(fewest, self._setting("steps", best.steps))
            strongest = max(least, 2 * best.guidance or strongest)
        space: dict[str, Whole | Real | Choice] = {"steps": Whole(low=fewest, high=most)}
        space["guidance"] = Real(low=least, high=strongest)
        if len(kept) > 1:
            space["epoch"] = Whole(low=kept[0], high=kept[-1])
        if self.schedulers:
            space["scheduler"] = Choice(values=self.schedulers)
        if self.etas:
            space["eta"] = Choice(values=self.etas)
        return space

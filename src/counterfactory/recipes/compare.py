"""Several augmentation recipes on the same few images, in one table and over several numbers of shots."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field

from counterfactory import plugins
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.config import resolve
from counterfactory.errors import BadConfig, unknown
from counterfactory.recipes.augmentation import ALONE, arms_of
from counterfactory.recipes.compare_report import CLASSIC, compared
from counterfactory.recipes.job import distinct
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.probe import PROBE
from counterfactory.recipes.spent import spent
from counterfactory.recipes.trials import Arm, Seeds, Shots, ready, tried
from counterfactory.run import Run
from counterfactory.types import Collection, Report

Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(distinct)]


class Compare(BaseModel, frozen=True, extra="forbid"):
    """Runs augmentation recipes side by side; what they share is made once."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    recipes: Names = Field(default=("baseline", "real-guidance"), description="which: `counterfactory recipes`")
    each: str = Field(default="default", description="the preset of each recipe")
    methods: Mapping[str, Mapping[str, Any]] = Field(default={}, description="further settings, by recipe")
    shots: Annotated[tuple[Shots, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        default=(4,), description="training images a class; null for all"
    )
    seeds: Seeds = Field(default=(0, 1, 2), description="repetitions, each from its own images")
    classifier: ClassifierTrainer = Field(default=ClassifierTrainer(), description="how every network is trained")

    @classmethod
    def tiny(cls) -> "Compare":
        """To see it work: the smallest settings of each recipe."""
        return cls(each="tiny", seeds=(0, 1), classifier=ClassifierTrainer(steps=80))

    @classmethod
    def default(cls) -> "Compare":
        """The default settings of each recipe, with one classifier for all."""
        return cls()

    @classmethod
    def paper(cls) -> "Compare":
        """The published settings of each recipe."""
        return cls(each="paper", classifier=PROBE)

    def run(self, run: Run, data: Collection) -> Report:
        """Draw and train for every recipe and number of shots; open the test splits once, after all of it."""
        data = measurable(data)
        for shots in self.shots:
            ready(data, shots, self.seeds[0])
        found = [arms_of(run, data, recipe) for recipe in self.planned()]
        arms = [arm for each, _ in found for arm in each]
        choices = {arm.shots: arm.data for arm in arms}
        report = compared(tried(run, _once(arms), data), data, choices, spent(run))
        return replace(report, summary=(*report.summary, *[sentence for _, said in found for sentence in said]))

    def planned(self) -> list[Any]:
        """Every recipe for every number of shots."""
        return [self._recipe(name, shots) for shots in self.shots for name in self.recipes]

    def _recipe(self, name: str, shots: int | None) -> Any:
        """A recipe as its preset sets it, on the same images and with the same classifier as the others."""
        if stray := set(self.methods) - set(self.recipes):
            raise unknown("recipe among those compared", min(stray), self.recipes)
        if shared := {"shots", "seeds", "classifier"} & set(self.methods.get(name, {})):
            raise BadConfig(
                f"methods.{name}.{min(shared)}: all recipes share it, or they could not be compared; "
                f"set {min(shared)} alone."
            )
        found = plugins.load_recipe("augment", name)
        if self.each not in plugins.presets(found):
            raise BadConfig(f"{name} has no preset {self.each!r}; it has {', '.join(plugins.presets(found))}.")
        ours = {"shots": shots, "seeds": list(self.seeds), "classifier": self.classifier.model_dump()}
        return resolve(plugins.preset(found, self.each), ours, self.methods.get(name, {}))


def _once(arms: list[Arm]) -> list[Arm]:
    """That of the real images alone once, by the name that the classic ones gave it where they did."""

    def what(arm: Arm) -> tuple[Any, ...]:
        return arm.shots, arm.trainer, arm.data["train"].samples, arm.data["train"].weights

    seen = {what(arm) for arm in arms if arm.method in CLASSIC}
    kept = []
    for arm in arms:
        if arm.method != ALONE or what(arm) not in seen:
            kept.append(arm)
        if arm.method == ALONE:
            seen.add(what(arm))
    return kept

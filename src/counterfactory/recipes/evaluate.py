"""What a classifier is worth on given data: every number, the confusion and its surest mistakes."""

from typing import ClassVar

from pydantic import BaseModel, Field

from counterfactory.errors import BadConfig
from counterfactory.names import ModelName
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.reports import one_classifier
from counterfactory.recipes.trials import Trial, answers, measuring_splits
from counterfactory.run import Run
from counterfactory.types import Artifact, Collection, Report


class Evaluate(BaseModel, frozen=True, extra="forbid"):
    """Measures a classifier, given by folder or hub id, on every test split."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("default",)

    model: ModelName | None = Field(default=None, description="a model folder or a hub id")

    @classmethod
    def default(cls) -> "Evaluate":
        """All that can be measured."""
        return cls()

    def run(self, run: Run, data: Collection) -> Report:
        """Ask the classifier once about every image of every test split."""
        if self.model is None:
            raise BadConfig("No model given; expected a model folder or a hub id.")
        tests = measuring_splits(measurable(data))
        named = Artifact(kind="classifier", key=self.model)
        said = answers(run, self.model, tests)
        trial = Trial(method=self.model, seed=0, task=data.task, classifier=named, answers=said)
        summary = f"{self.model} on {data.name}, {sum(map(len, tests.values()))} images."
        return one_classifier(f"{self.model} on {data.name}", summary, trial, tests)

"""A classifier on its own: trained on any mixture of real and exported synthetic data, saved for `from_pretrained`."""

import shutil
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, field_validator

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import writing
from counterfactory.recipes.reports import one_classifier
from counterfactory.recipes.trials import Trial, answers, few_shot
from counterfactory.run import Run
from counterfactory.types import Artifact, Collection, Report


class Train(BaseModel, frozen=True, extra="forbid"):
    """Trains one classifier and leaves it in the run's folder `model`."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default")

    shots: Annotated[int, Field(ge=1)] | None = Field(default=None, description="images a class; null for all")
    seed: int = Field(default=0, ge=0, description="of the choice of images and of the training")
    classifier: ClassifierTrainer = Field(default=ClassifierTrainer(), description="how the network is trained")

    @field_validator("classifier")
    @classmethod
    def _one_seed(cls, classifier: ClassifierTrainer) -> ClassifierTrainer:
        if classifier.seed:
            raise ValueError("its seed is that of the recipe; set `seed` in place of `classifier.seed`")
        return classifier

    @classmethod
    def tiny(cls) -> "Train":
        """To see it work."""
        return cls(classifier=ClassifierTrainer(steps=50))

    @classmethod
    def default(cls) -> "Train":
        """Forty passes over the data, at most 3,000 steps; the best state on validation kept."""
        return cls()

    def run(self, run: Run, data: Collection) -> Report:
        """Train, keep the model where a person finds it, and measure what test splits there are."""
        chosen = few_shot(data, self.shots, self.seed)
        classifier = run.fit(self.classifier.with_(seed=self.seed), **chosen)
        model = kept(run, classifier)
        tests = {name: split for name, split in data.splits.items() if name.startswith("test")}
        said = answers(run, classifier, tests) if tests else {}
        trial = Trial(method="classifier", seed=self.seed, task=data.task, classifier=classifier, answers=said)
        sizes = ", ".join(f"{len(split)} {name}" for name, split in chosen.items())
        summary = f"Trained on {sizes} images of {data.name}. The model is in {model}."
        return one_classifier(f"Classifier of {data.name}", summary, trial, tests)


def kept(run: Run, classifier: Artifact) -> str:
    """The model's own folder in the run: it stays when the workspace is pruned."""
    folder, fresh, old = (run.folder / name for name in ("model", ".model.part", ".model.old"))
    with writing(folder):
        for left in (fresh, old):  # by a kill
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(run.worker.artifact(classifier), fresh, ignore=shutil.ignore_patterns(".lock"))
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    return str(folder)

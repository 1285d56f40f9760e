"""Classic augmentation, measured honestly: what a generative method has to beat."""

from dataclasses import replace
from itertools import product
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.classify.train import Augmentation, ClassifierTrainer
from counterfactory.recipes.job import distinct
from counterfactory.recipes.pictures import shots_gallery
from counterfactory.recipes.prepare import measurable, validated
from counterfactory.recipes.reports import several_methods
from counterfactory.recipes.trials import Arm, Choice, Seeds, Shots, Trained, few_shot, ready, tried
from counterfactory.run import Run
from counterfactory.types import Collection, Report

ALL: tuple[Augmentation, ...] = ("none", "standard", "randaugment", "trivialaugment", "cutmix", "mixup")


class Baseline(BaseModel, frozen=True, extra="forbid"):
    """Trains under each classic augmentation and compares them on every test split, paired by seed."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2, 3, 4)
    augmentations: Annotated[tuple[Augmentation, ...], Field(min_length=1), AfterValidator(distinct)] = Field(
        default=ALL, description="what is compared; gains are told over the first"
    )
    classifier: Trained = ClassifierTrainer()

    @classmethod
    def tiny(cls) -> "Baseline":
        """To see it work: one augmentation against none, three seeds, short trainings."""
        return cls(seeds=(0, 1, 2), augmentations=("none", "standard"), classifier=ClassifierTrainer(steps=80))

    @classmethod
    def default(cls) -> "Baseline":
        """Five seeds: enough for an interval that tells augmentations apart."""
        return cls()

    @classmethod
    def paper(cls) -> "Baseline":
        """The baseline rows of DA-Fusion's comparison: RandAugment and CutMix, 16 shots, eight seeds."""
        return cls(shots=16, seeds=tuple(range(8)), augmentations=("none", "standard", "randaugment", "cutmix"))

    def run(self, run: Run, data: Collection) -> Report:
        """Choose images, train under each augmentation, then open the test splits once."""
        data = measurable(data)
        ready(data, self.shots, self.seeds[0])
        trials, first = tried(run, self.arms(data), data), few_shot(data, self.shots, self.seeds[0])
        run.publish(first)
        report = several_methods(f"Classic augmentation of {data.name}", trials, data, [self._how(data, first)])
        shown = shots_gallery(first["train"], f"Training images of seed {self.seeds[0]}")
        return replace(report, galleries=(*report.galleries, shown))

    def arms(self, data: Collection) -> list[Arm]:
        """One training for each augmentation and seed."""
        choices = {seed: few_shot(data, self.shots, seed) for seed in self.seeds}
        return [
            Arm(
                method=augmentation,
                shots=self.shots,
                trainer=self.classifier.with_(augment=augmentation, seed=seed),
                data=choices[seed],
            )
            for augmentation, seed in product(self.augmentations, self.seeds)
        ]

    def _how(self, data: Collection, choice: Choice) -> str:
        many = f"{self.shots} images a class" if self.shots else "all training images"
        how = validated(data, choice, self.shots)
        return f"From {many}, {len(self.seeds)} seeds; {how}; the test splits were opened once, after all training."

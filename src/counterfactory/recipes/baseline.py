"""Classic augmentation, measured honestly: what a generative method has to beat."""

from itertools import product
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.classify.train import Augmentation, ClassifierTrainer
from counterfactory.recipes import comparison, pictures
from counterfactory.recipes.trials import Trial, answers, few_shot, measuring_splits
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Report

ALL: tuple[Augmentation, ...] = ("none", "standard", "randaugment", "trivialaugment", "cutmix", "mixup")


class Baseline(BaseModel, frozen=True, extra="forbid"):
    """Trains under each classic augmentation and compares them on every test split, paired by seed."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Annotated[int, Field(ge=1)] | None = Field(default=4, description="training images a class; null for all")
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        default=(0, 1, 2, 3, 4), description="repetitions: each chooses its own images and trains its own networks"
    )
    augmentations: Annotated[tuple[Augmentation, ...], Field(min_length=1)] = Field(
        default=ALL, description="what is compared; gains are told over the first"
    )
    classifier: ClassifierTrainer = Field(default=ClassifierTrainer(), description="how each network is trained")

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
        choices = {seed: few_shot(data, self.shots, seed) for seed in self.seeds}
        trained = {
            (augmentation, seed): run.fit(
                self.classifier.model_copy(update={"augment": augmentation, "seed": seed}), **choices[seed]
            )
            for seed, augmentation in product(self.seeds, self.augmentations)
        }
        tests = measuring_splits(data)
        trials = [
            Trial(method=augmentation, seed=seed, task=data.task, classifier=trained[augmentation, seed],
                  answers=answers(run, trained[augmentation, seed], tests))
            for augmentation, seed in product(self.augmentations, self.seeds)
        ]  # fmt: skip
        first = choices[self.seeds[0]]
        run.publish(first)
        return self._report(data, trials, first, tests)

    def _report(
        self, data: Collection, trials: list[Trial], first: dict[str, Dataset], tests: dict[str, Dataset]
    ) -> Report:
        splits, reference = list(tests), self.augmentations[0]
        best = comparison.best_on_validation(trials)
        many = f"{self.shots} images a class" if self.shots else f"all {len(first['train'])} training images"
        validation = len(first["validation"]) if "validation" in first else 0
        held = "" if "validation" in data.splits else ", held out of the training images that were not chosen"
        return Report(
            title=f"Classic augmentation of {data.name}",
            summary=(
                *comparison.verdicts(trials, splits, reference),
                f"Trained on {many}, {len(self.seeds)} seeds; the best state was kept by {validation} validation "
                f"images{held}; the test splits were opened once, after all training.",
            ),
            numbers={
                f"{method} on {split}": round(sum(values) / len(values), 2)
                for split in splits
                for method, values in comparison.accuracies(trials, split).items()
            },
            tables=(
                comparison.accuracy_table(trials, splits),
                comparison.difference_table(trials, splits, reference),
                *[comparison.tag_table(trials, dataset, "unusual") for dataset in comparison.tags_of(data)],
                *[comparison.other_numbers_table(trials, split) for split in splits],
            ),
            plots=(
                pictures.accuracy_plot(trials, splits),
                *[pictures.confusion_plot(best, tests[split]) for split in splits],
            ),
            galleries=(
                *[pictures.mistakes(best, tests[split]) for split in splits],
                pictures.shots_gallery(first["train"], f"Training images of seed {self.seeds[0]}"),
            ),
        )

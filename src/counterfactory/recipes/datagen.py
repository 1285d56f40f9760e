"""Synthetic data sets by an adapted diffusion model (Lomurno et al. 2024): a whole set that trains a classifier.

A pipeline learns the classes, first an encoder of them and then its denoiser. After each a search looks for the way of
drawing from which a classifier learns most. Then one set is drawn in nested sizes, and classifiers that learnt from it
are tested on real images. Beside that stands whether the set gives training images away.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.limit import Quota, within
from counterfactory.diffusion.adapted import Adapted
from counterfactory.names import ModelName
from counterfactory.recipes import datagen_presets
from counterfactory.recipes.augmentation import EYES, Eyes
from counterfactory.recipes.cas import arms
from counterfactory.recipes.foresight import foresee
from counterfactory.recipes.generation import Amount, Size, accepted, drawn, made_elsewhere, native_size, to_publish
from counterfactory.recipes.generators import Drawing, Pipeline, Way
from counterfactory.recipes.leakage import Look, quality
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.searching import Round, Study, judges_of
from counterfactory.recipes.spent import spending
from counterfactory.recipes.synthesis_report import Synthesis, told
from counterfactory.recipes.trials import Choice, Seeds, Trained, few_shot, ready, tried
from counterfactory.recipes.tuning import Tuning
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed
from counterfactory.score.features import Features
from counterfactory.types import Collection, Dataset, Report

Stage = Literal["all", "adapt", "search", "generate", "cas"]
SEARCHED, DRAWN, SCORED = {"all", "search"}, {"all", "generate", "cas"}, {"all", "cas"}
GLANCE = Amount(per_class=6, times=(1,))  # what is drawn to look at, where no set is wanted


class Datagen(BaseModel, frozen=True, extra="forbid"):
    """Adapts a diffusion model to the classes, searches how it had best draw, draws a data set and scores it."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "datagen"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper", "paper_code_selects_on_test")

    stage: Stage = Field(default="all", description="one alone, from what the settings give or the workspace has")
    seeds: Seeds = (0, 1, 2)
    training: Quota = Field(default=Quota(), description="which training images are learnt from")
    generator: Drawing = Field(default=Pipeline(), description="who draws, and how it learns the classes")
    drawing: Way = Field(default=Way(), description="how is drawn where no search finds better")
    tuning: Tuning = Field(default=Tuning(), description="the searches; `trials: []` for none")
    amount: Amount = Field(default=Amount(), description="how many are drawn")
    made: str | None = Field(default=None, description="a data set made elsewhere, scored in place of drawings")
    classifier: Trained = ClassifierTrainer(steps=3000, augment="trivialaugment")
    eyes: Eyes = EYES
    features: ModelName | None = Field(
        default=None, description="a second one, to compare sets by: any vision model, or FID's Inception"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "Datagen":
        if self.made and self.stage not in SCORED:
            raise ValueError(f"made: a set that is there is scored, not made by stage {self.stage}; say stage: cas.")
        if self.tuning.etas and "ddim" not in {*self.tuning.schedulers, self.drawing.scheduler}:
            raise ValueError("tuning.etas: only ddim heeds them; name it in tuning.schedulers or drawing.scheduler.")
        return self

    @classmethod
    def tiny(cls) -> "Datagen":
        """To see it work: few training images, epochs, trials and drawings."""
        return cls(**datagen_presets.TINY)

    @classmethod
    def default(cls) -> "Datagen":
        """Beside the zoo; `generator.encoder.base` takes a pipeline of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "Datagen":
        """As published: 50 and 10 epochs, 50 and 40 trials of 4,000 drawings, x1 to x10, ResNet20 of 64 filters."""
        return cls(**datagen_presets.PAPER)

    @classmethod
    def paper_code_selects_on_test(cls) -> "Datagen":
        """As the published code has it: TEST images choose how is drawn, so that its scores flatter."""
        return cls(**datagen_presets.PAPER_CODE)

    def run(self, run: Run, data: Collection) -> Report:
        """Learn and search, twice; draw; train on what was drawn; look for what it repeats; tell."""
        data = measurable(data)
        if self.stage in SCORED:
            ready(data, None, self.seeds[0])  # refuses now what could not be scored hours later
        choice = few_shot(data, None, self.seeds[0])
        choice["train"] = accepted(within(choice["train"], self.training))
        if self.made:
            rounds, sets = [], made_elsewhere(run, self.made, choice["train"])
        else:
            eyes = (self.eyes, self.features)
            foresee(run.worker, self.training, self.generator.known, self.amount, eyes, choice["train"])
            rounds = self.rounds(run, data, choice)
            sets = self.sets(run, choice, rounds[-1])
        trials = tried(run, arms(choice, sets, self.classifier, self.seeds), data) if self.stage in SCORED else []
        seen = quality(run, self._looks(), sets, choice)
        found = Synthesis(data=data, choice=choice, rounds=rounds, sets=sets, trials=trials, quality=seen)
        return told(run, found, flatters=self.tuning.split == "test" and not self.made, base=self.generator.base)

    def rounds(self, run: Run, data: Collection, choice: Choice) -> list[Round]:
        """Each part learns beside the best of the part before; then a way to draw with it is searched."""
        study, known, found = self._study(run, data, choice), self.generator.known, list[Round]()
        for number, part in enumerate(self.generator.learn or (None,)):
            if part:
                with spending(run, f"learning: {part}"):
                    trainer = self.generator.trainer(part, known, self.seeds[0])
                    known = Adapted(model=run.fit(trainer, f"learn: {part}", **choice))
            assert known, "what learns nothing was given"
            with spending(run, f"search {number + 1}"):
                found.append(study.best(number, part, known, found[-1] if found else None))
            known = found[-1].known
        return found

    def sets(self, run: Run, choice: Choice, last: Round) -> dict[str, Dataset]:
        """The drawings as nested sets; the largest is published."""
        train, amount = choice["train"], self.amount if self.stage in DRAWN else GLANCE
        requests = amount.requests(train, last.way.guidance, self._size(run, train), self.seeds[0])
        with spending(run, "drawing"):
            sets = amount.nested(drawn(run, self.generator.engine(last.known, last.way), requests), train)
        if self.stage in DRAWN:
            run.publish({"train": to_publish(sets)})
        return sets

    def _looks(self) -> list[Look]:
        """Who looks at a set, where one is wanted."""
        clips, others = ([name] if name and self.stage in DRAWN else [] for name in (self.eyes, self.features))
        return [*(ClipEmbed(model=name) for name in clips), *(Features(model=name) for name in others)]

    def _study(self, run: Run, data: Collection, choice: Choice) -> Study:
        tuning = self.tuning if self.stage in SEARCHED else self.tuning.model_copy(update={"trials": ()})
        return Study(
            run=run,
            generator=self.generator,
            tuning=tuning,
            usual=self.drawing,
            choice=choice,
            judges=judges_of(tuning, data, choice),
            size=self._size(run, choice["train"]),
            seed=self.seeds[0],
        )

    def _size(self, run: Run, train: Dataset) -> Size | None:
        return native_size(run, train) if self.generator.fits_any_size else None

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
from counterfactory.recipes.leakage import looks, quality
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.searching import Round, Study, judges_of
from counterfactory.recipes.spent import spending
from counterfactory.recipes.synthesis_report import Synthesis, glance, told
from counterfactory.recipes.trials import Choice, Seeds, Trained, few_shot, ready, tried
from counterfactory.recipes.tuning import Tuning
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Report

Stage = Literal["all", "adapt", "search", "generate", "cas"]
SEARCHED, DRAWN, SCORED = {"all", "search"}, {"all", "generate", "cas"}, {"all", "cas"}
HELD = 0  # the seed of what is held out, whichever `seeds` are given: a `start` of one draws for another


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
            ready(data, None, HELD)  # refuses now what could not be scored hours later
        choice = few_shot(data, None, HELD)
        choice["train"] = accepted(within(choice["train"], self.training))
        foresee(run, self, choice["train"])
        amount = self.amount if self.stage in DRAWN else glance(choice["train"])
        if self.made:
            rounds, sets = [], made_elsewhere(run, self.made, choice["train"])
        else:
            rounds = self.rounds(run, data, choice)
            sets = self.sets(run, choice["train"], rounds[-1], amount)
        trained = arms(run.worker, choice, sets, self.classifier, self.seeds) if self.stage in SCORED else []
        trials = tried(run, trained, data) if trained else []
        seen = quality(run, looks(self.eyes, self.features) if self.stage in DRAWN else [], sets, choice)
        found = Synthesis(
            data=data, choice=choice, rounds=rounds, amount=amount, sets=sets, trials=trials, quality=seen,
            given=bool(self.made or self.generator.known),
        )  # fmt: skip
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

    def sets(self, run: Run, train: Dataset, last: Round, amount: Amount) -> dict[str, Dataset]:
        """The drawings as nested sets; the largest is published."""
        requests = amount.requests(train, last.way.guidance, self._size(run, train), self.seeds[0])
        with spending(run, "drawing"):
            sets = amount.nested(drawn(run, self.generator.engine(last.known, last.way), requests), train)
        if self.stage in DRAWN:
            run.publish({"train": to_publish(sets)})
        return sets

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

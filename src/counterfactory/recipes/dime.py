"""DiME: by which least change of an image does a classifier change its answer? (Jeanneret et al. 2022)

Each image is put under some noise, and a diffusion model takes the noise back while the classifier's own gradients pull
towards another answer and the source pulls back. Where the answer does not flip, the classifier pulls more strongly.
"""

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.data.limit import Quota, within
from counterfactory.explain.step import Count, Explain, Losses, Mask, Mode, Plan, Views
from counterfactory.names import ModelName
from counterfactory.recipes.diorama import is_diorama
from counterfactory.recipes.explain_report import explain_report
from counterfactory.recipes.explained import explained
from counterfactory.recipes.explained_data import published
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.questions import SECOND, agreement, answers_of, opinion_of, questions
from counterfactory.recipes.tested import Labels, called, label_map
from counterfactory.recipes.trials import split_of
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Report

ZOO = "zoo:diorama"
METHOD = {
    "fast": "Fast: clean estimates of one step, pulls of unit length and a mask; not the paper's algorithm.",
    "chained": "Chained: clean estimates of a few steps without noise; not the paper's algorithm.",
    "exact": "Exact: clean estimates by the whole chain, as in the paper.",
}


class Dime(BaseModel, frozen=True, extra="forbid"):
    """Explains a classifier's answers by the least changes that change them."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "exact", "paper", "paper_code")

    model: ModelName | None = Field(default=None, description="the classifier, which must give gradients")
    labels: Labels = Field(default={}, description="its class names to the data's, or a YAML of them")
    split: str = Field(default="test", description="the images to explain")
    quota: Quota = Field(default=Quota(total=200), description="how many of them")
    target: str = Field(default=SECOND, description="the other answer: second-best, all, or one by name")
    denoiser: ModelName = Field(default=f"{ZOO}/ddpm", description="a diffusion model of the pixels of such images")
    mode: Mode = Field(default="fast", description="the clean estimate: of one step, of some leaps, of the whole chain")
    search: Plan = Field(default=Plan(), description="how the search goes")
    traced: bool = Field(default=False, description="keeps what the search thought of at each step")
    at_once: Count = Field(default=64, description="images whose further tries share batches; a kill costs as many")
    opinion: ModelName | None = Field(default=None, description="a classifier that is asked about the results alone")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="from which all randomness branches")

    @classmethod
    def tiny(cls) -> "Dime":
        """To see it work: a few images of Diorama."""
        return cls.default().model_copy(update={"quota": Quota(total=8)})

    @classmethod
    def default(cls) -> "Dime":
        """The zoo's models, quickly; `mode: exact` takes the whole chain."""
        return cls(model=f"{ZOO}/classifier", search=Plan(losses=Losses(perceptual=0)))

    @classmethod
    def exact(cls) -> "Dime":
        """The zoo's models by the whole chain, whose pulls come through the denoiser; fitted to Diorama."""
        usual = cls.default()
        fitted = {"start": 31, "led_back": True, "views": Views(), "mask": Mask()}
        return usual.model_copy(update={"mode": "exact", "search": usual.search.model_copy(update=fitted)})

    @classmethod
    def paper(cls) -> "Dime":
        """As published for CelebA; classifier, denoiser and VGG-19 (`search.eyes`) are yours to name."""
        return cls(mode="exact", quota=Quota(), search=Plan(steps=200, start=60))

    @classmethod
    def paper_code(cls) -> "Dime":
        """As its code has it: begins with the noise of step 60 and takes it back from step 59."""
        return cls(mode="exact", quota=Quota(), search=Plan(steps=200, start=60, noised_further=True))

    def run(self, run: Run, data: Collection) -> Report:
        """Ask the classifier, want another answer of each image, look for it, and show what was found."""
        split = split_of(measurable(data), self.split)
        images = within(split, self.quota, self.seed)
        labels = label_map(self.labels)
        answers = answers_of(run, self.model, labels, images)
        others = opinion_of(run, self.opinion, labels, images) if self.opinion else None
        asked = questions(run, self.model or "", answers, images, self.target, self.seed)
        found = run.map(self.step(), [question for _, question in asked])
        made = explained(run, asked, found, answers, images)
        run.publish(published(made, images))
        agreed = agreement(run, self.opinion, others, made) if self.opinion and others else ""
        taken = f"{len(images)} of the {len(split)} images of the split {split.split!r} were taken."
        words = [taken, self._method(), agreed, self._foreign(images)]
        return explain_report(run, f"Why {called(self.model)} says so, on {data.name}", list(filter(None, words)), made)

    def step(self) -> Explain:
        """What every question is put to."""
        return Explain(
            classifier=self.model or "",
            denoiser=self.denoiser,
            mode=self.mode,
            search=self.search,
            traced=self.traced,
            at_once=self.at_once,
        )

    def _method(self) -> str:
        """Which search it was, and what of it the paper does not have."""
        own = {
            "the pull is the mean over views of the estimate": self.search.views is not None,
            "the pull comes through the denoiser": self.search.leads_back(self.mode),
            "a mask holds what need not change": self.search.mask is not None,
            "the chain takes no noise": self.mode == "exact" and self.search.inner == "mean",
        }
        other = [words for words, is_so in own.items() if is_so and self.mode != "fast"]
        return METHOD[self.mode] + (f" Unlike there, {'; '.join(other)}." if other else "")

    def _foreign(self, images: Dataset) -> str:
        """A word of warning where the zoo searches among pictures that it has never seen."""
        if not self.denoiser.startswith(ZOO) or is_diorama(images):
            return ""
        return (
            "Searched with the zoo's denoiser, which knows Diorama alone: train one on such images with "
            "`counterfactory train DATA --recipe denoiser` and name that run as `denoiser`."
        )

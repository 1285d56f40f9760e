"""DILLEMA: which plausible changes of its images break a trained model? (Baresi et al. 2025)

Each image is captioned, words of the caption that may change without changing the label are edited, and the new
caption is drawn in the layout of the image. Where the published system ends with the pictures, this one asks the
model under test, leaves out what is no valid counterfactual, counts failures with their evidence, and repairs.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from counterfactory.caption.captioner import Caption
from counterfactory.caption.endpoint import AskCaption
from counterfactory.caption.given import GivenCaption
from counterfactory.data.limit import Quota, within
from counterfactory.diffusion.engine import Diffuse
from counterfactory.language.interventions import Interventions
from counterfactory.language.lexicon import Lexicon
from counterfactory.language.published import Published
from counterfactory.names import ModelName
from counterfactory.recipes.checks import Bounds, Checks, reference
from counterfactory.recipes.counterfactuals import (
    Counterfactual,
    captioned,
    drawn_sample,
    passage,
    published,
    scores_of,
    spoken,
)
from counterfactory.recipes.diorama import BANKS, SYNONYMS
from counterfactory.recipes.drawing import Drawing
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.repair import Repair, Repaired, hard_tests, repaired, to_repair_with, with_counterfactuals
from counterfactory.recipes.sheet import write_sheet
from counterfactory.recipes.stress_report import Found, foreign, sheet_rows, stress_report
from counterfactory.recipes.tested import Tested, ask, called, opened
from counterfactory.recipes.trials import Choice, split_of
from counterfactory.recipes.truth import truth
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Report, succeeded

ZOO = "zoo:diorama"
NEGATIVE = "blurry, distorted, low quality, painting, drawing, cartoon, black and white, oversaturated"


class Dillema(BaseModel, frozen=True, extra="forbid"):
    """Tests a model on counterfactuals of its test images."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    model: str | Mapping[str, Any] | None = Field(default=None, description="the model under test")
    labels: Mapping[str, str] | str = Field(default={}, description="its class names to the data's, or a YAML of them")
    task: str = Field(default="", description="what the labels are for, in words")
    synonyms: Mapping[str, tuple[str, ...]] = Field(default={}, description="other words for a class; they stay too")
    split: str = Field(default="test", description="the images to test on")
    quota: Quota = Field(default=Quota(per_class=25), description="how many of them")
    captioner: GivenCaption | Caption | AskCaption = Field(description="who says what an image shows")
    writer: Lexicon | Interventions | Published = Field(description="who edits what it says")
    engine: Diffuse = Field(description="who draws the new captions")
    drawing: Drawing = Field(default=Drawing(), description="how")
    checks: Checks = Field(default=Checks(), description="which drawings count")
    repair: Repair | None = Field(default=None, description="retraining on counterfactuals of the training images")
    judge: ModelName | None = Field(default=None, description="who measures where the truth is known; it never chooses")
    sheet: Annotated[int, Field(ge=0)] = Field(default=0, description="pictures on a sheet for people to check")
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="from which all randomness branches")

    @classmethod
    def tiny(cls) -> "Dillema":
        """To see it work: a few images of Diorama, the zoo's model that knows usual surroundings only, 12 steps."""
        usual = cls.default()
        quick = {"quota": Quota(per_class=5), "engine": usual.engine.model_copy(update={"steps": 12})}
        return usual.model_copy(update={"model": f"{ZOO}/classifier-usual", **quick})

    @classmethod
    def default(cls) -> "Dillema":
        """Single edits by the lexicon, drawn by the zoo; `engine` and `captioner` take models of photographs."""
        return cls(
            synonyms=SYNONYMS,
            captioner=Caption(model=f"{ZOO}/captioner"),
            writer=Lexicon(kinds=("weather", "time of day", "surroundings", "colour"), banks=BANKS, counterfactuals=2),
            engine=Diffuse(controls={kind: f"{ZOO}/controlnet-{kind}" for kind in ("edges", "masks")}),
            drawing=Drawing(layouts={"masks": 1}, unmasked={"edges": 1}, guided_layouts=True, strength=0.8, guidance=4),
            checks=Checks(clip=f"{ZOO}/clip", classifier=f"{ZOO}/classifier"),
            judge=f"{ZOO}/judge",
        )

    @classmethod
    def paper(cls) -> "Dillema":
        """As published, but for the language model, which is yours to name: HED edges, UniPC, 5 steps, 5 drawings."""
        return cls(
            task="ImageNet classification with 1000 labels",
            captioner=Caption(model="Salesforce/blip2-opt-6.7b-coco", captions=2),
            writer=Published.model_validate({"writer": {"model": "llama-2-13b-chat"}, "edits_per_image": 3}),
            engine=Diffuse(
                pipeline="stable-diffusion-v1-5/stable-diffusion-v1-5",
                controls={"hed": "lllyasviel/sd-controlnet-hed"},
                scheduler="unipc",
                steps=5,
            ),
            drawing=Drawing(
                layouts={"hed": 1.0}, layout_models={"hed": "lllyasviel/Annotators"}, images=5, negative_prompt=NEGATIVE
            ),
            checks=Checks(names=()),
        )

    def run(self, run: Run, data: Collection) -> Report:
        """Ask the model about each image and about its counterfactuals; then, if wanted, repair it."""
        data = measurable(data)
        tests = within(split_of(data, self.split), self.quota, self.seed)
        model = opened(run, self.model or "", self.labels, tests)
        method = self.model_copy(update={"checks": self.checks.fitting(run, tests)})
        train = to_repair_with(data, tests) if self.repair else None
        made, bounds = method.counterfactuals(run, tests, reference(data, tests))
        found = Found(
            data=tests,
            made=made,
            bounds=bounds,
            before=ask(run, model, [one.made.source for one in made]),
            after=ask(run, model, [one.made.drawn for one in made]),
            truth=truth(run, model, made, self.judge) if self.judge else None,
            repair=method._repaired(run, model, data, train, hard_tests(data, tests, made)) if train else None,
        )
        run.publish({"test": tests, **published(made, tests)}, scores_of(made))
        if self.sheet and (shown := sheet_rows(found)):
            write_sheet(run.folder / "sheet", shown, run.worker.pixels, self.sheet, self.seed)
        title = f"{called(self.model)} under stress on {data.name}"
        return stress_report(title, found, foreign(self.engine.pipeline, tests))

    def counterfactuals(self, run: Run, images: Dataset, real: Dataset) -> tuple[list[Counterfactual], Bounds]:
        """The method: caption (1), edit the words (2 to 4), draw (5); then check, by what real images reach."""
        seen = captioned(run, self.captioner, real) if self.checks.by_pairs else []
        said = spoken(images.samples, run.map(self.captioner, images.samples))
        passages = [passage(one, images, self.synonyms, self.task, self.seed) for one in said]
        rewritten = succeeded(zip(said, run.map(self.writer, passages), strict=True))
        asked = [(one, new) for one, news in rewritten for new in news for _ in range(self.drawing.images)]
        requests = self.drawing.requests(run, asked, self.seed)
        drawn = list(succeeded(zip(asked, run.map(self.engine, requests), strict=True)))
        made = [drawn_sample(one, new, sample) for (one, new), sample in drawn]
        verdicts, bounds = self.checks.verdicts(run, made, real, seen)
        parts = zip(made, [new for (_, new), _ in drawn], verdicts, strict=True)
        return [Counterfactual(made=one, rewriting=new, verdict=verdict) for one, new, verdict in parts], bounds

    def _repaired(self, run: Run, model: Tested, data: Collection, train: Dataset, tests: Choice) -> Repaired:
        assert self.repair, "whoever trains further says how"
        trainers = self.repair.trainers(self.model or "")
        new, _ = self.counterfactuals(run, within(train, self.repair.quota, self.seed), reference(data, train))
        return repaired(run, model, trainers, (train, with_counterfactuals(train, new)), tests)

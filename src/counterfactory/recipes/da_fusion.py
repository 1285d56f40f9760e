"""DA-Fusion: each image drawn again at several strengths, under a word learnt from its class (Trabucco et al. 2024).

A text-to-image model learns a new word for each class from the few images (textual inversion). Every image is then
redrawn from its own pixels with that word, at one of several strengths or at all of them one after the other: from a
light touch to a new picture; where its mask is known, the thing alone or all but the thing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.tokens import class_tokens
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.errors import BadData
from counterfactory.keys import seed_for
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.class_words import PLAIN, Template
from counterfactory.recipes.probe import PROBE
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Collection, Dataset, Origin, Report, Request, Sample

ZOO = "zoo:diorama"
SD = "CompVis/stable-diffusion-v1-4"
# at ten times the rate, the zoo's words forget in 80 steps which class they stand for
QUICK = Schedule(images=320, batch_size=8, learning_rate=5e-5, weight_decay=0, rise=1, smoothing=0.9)
TEMPLATES = (
    "a photo of a {}",
    "a picture of a {}",
    "an image of a {}",
    "a view of a {}",
)  # so the zoo's captions begin
Strength = Annotated[float, Field(gt=0, le=1)]


class DaFusion(BaseModel, frozen=True, extra="forbid"):
    """Redraws training images at several strengths, under a learnt word for each class."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "da-fusion"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    engine: Diffuse = Field(default=Diffuse(steps=10), description="who draws; its `tokens` are learnt here")
    inversion: InversionTrainer = Field(
        default=InversionTrainer(base=ZOO, schedule=QUICK, templates=TEMPLATES),
        description="how words are learnt; `base` is the engine's",
    )
    names: bool = Field(default=True, description="whether words may begin as the class's name; else `the`")
    prompt: Template = Field(default=PLAIN, description="{} is the word")
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1)] = Field(
        default=(1.0, 0.75, 0.5, 0.25), description="how much is drawn anew"
    )
    composed: Literal["parallel", "sequence"] = Field(
        default="parallel", description="each drawing at one of the strengths, or at all, one after the other"
    )
    redrawn: Literal["everything", "object", "surroundings"] = Field(
        default="everything", description="of images that have a mask; of others everything"
    )
    per_image: PerImage = 5
    guidance: Guidance = 4.0
    sieve: Sieve = Field(default=Sieve(), description="which drawings count, and how often")
    eyes: Eyes = EYES
    classifier: Trained = ClassifierTrainer()

    @classmethod
    def tiny(cls) -> "DaFusion":
        """To see it work: two drawings of each image, few steps, words that hardly moved."""
        short = QUICK.model_copy(update={"images": 64})
        moved = InversionTrainer(base=ZOO, schedule=short, templates=TEMPLATES)
        few = {"seeds": (0, 1), "per_image": 2, "engine": Diffuse(steps=8), "inversion": moved}
        return cls().model_copy(update={**few, "classifier": ClassifierTrainer(steps=80)})

    @classmethod
    def default(cls) -> "DaFusion":
        """Drawn by the zoo; `engine` takes a model of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "DaFusion":
        """As published: Stable Diffusion 1.4, a word that begins as `the`, guidance 7.5, 16 shots, eight seeds."""
        many = {"shots": 16, "seeds": tuple(range(8)), "names": False, "guidance": 7.5, "per_image": 10}
        models = {"engine": Diffuse(pipeline=SD, steps=50), "inversion": InversionTrainer(base=SD), "classifier": PROBE}
        return cls().model_copy(update={**many, **models})

    def run(self, run: Run, data: Collection) -> Report:
        """Learn words and draw for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "DA-Fusion")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: a word for each class, then every image, so many times, at its strengths."""
        train = choice["train"]
        self._tell_of_masks(run, train)
        start = self.inversion.start or (None if self.names else "the")
        trainer = self.inversion.model_copy(update={"base": self.engine.pipeline, "start": start})
        words = run.fit(trainer, f"learn words, seed {seed}", train=train)
        tokens = [*class_tokens(train.classes).values()]
        engine = self.engine.model_copy(update={"tokens": words})
        asked = [(image, n) for image in train.samples for n in range(self.per_image)]
        requests = [(self._request(image, tokens, (seed, n)), image) for image, n in asked]
        drawn = painted(run, engine, requests)
        return self.sieve.sifted(run, drawn if self.composed == "parallel" else self._again(run, engine, drawn), choice)

    def _request(self, source: Sample, tokens: Sequence[str], turn: tuple[int, int]) -> Request:
        label, first = class_of(source), seed_for("strength", turn[0], source.image) + turn[1]
        return Request(
            prompt=self.prompt.replace("{}", tokens[label]),
            seed=seed_for(self.name, turn, source.image),
            label=label,
            source=source.image,
            strength=self.strengths[first % len(self.strengths) if self.composed == "parallel" else 0],
            mask=None if self.redrawn == "everything" else source.mask,
            keeps_masked=self.redrawn == "surroundings" and source.mask is not None,
            guidance=self.guidance,
        )

    def _again(self, run: Run, engine: Diffuse, drawn: Sequence[Candidate]) -> list[Candidate]:
        """Drawings drawn anew at each further strength; they stay children of what they were first drawn after."""
        for strength in self.strengths[1:]:
            drawn = painted(run, engine, [(_further(one, strength), one.source) for one in drawn])
        return [replace(one, sample=_at_all(one, self.strengths)) for one in drawn]

    def _tell_of_masks(self, run: Run, train: Dataset) -> None:
        bare = sum(sample.mask is None for sample in train.samples)
        if self.redrawn != "everything" and bare == len(train):
            raise BadData(f"redrawn: {self.redrawn} asks for masks, and no training image has one; say everything.")
        if self.redrawn != "everything" and bare:
            run.watcher.note(f"{bare} of {len(train)} training images have no mask: all of these is drawn anew.")


def _further(one: Candidate, strength: float) -> Request:
    """A drawing as the source of the next."""
    seed = seed_for("further", one.request.seed)
    return replace(one.request, source=one.sample.image, strength=strength, seed=seed)


def _at_all(one: Candidate, strengths: Sequence[float]) -> Sample:
    """What was drawn in several turns, with its first source and all strengths in its lineage."""
    origin = one.sample.origin or Origin()
    settings = {**origin.settings, "strength": ", then ".join(map(str, strengths))}
    parent = one.source.image.digest if one.source else None
    return replace(one.sample, origin=replace(origin, parent=parent, settings=settings))

"""DA-Fusion: each image drawn again at several strengths, under a word learnt from its class (Trabucco et al. 2024).

A text-to-image model learns a new word for each class from the few images (textual inversion). Every image is then
redrawn from its own pixels with that word, at a strength drawn among several: from a light touch to a new picture.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.tokens import class_tokens
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.keys import seed_for
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Collection, Report, Request, Sample

ZOO = "zoo:diorama"
SD = "CompVis/stable-diffusion-v1-4"
QUICK = Schedule(images=640, batch_size=8, learning_rate=5e-3, weight_decay=0, rise=1, smoothing=0.9)
TEMPLATES = (
    "a photo of a {}",
    "a picture of a {}",
    "an image of a {}",
    "a view of a {}",
)  # as the zoo's captions begin
Strength = Annotated[float, Field(gt=0, le=1)]


class DaFusion(BaseModel, frozen=True, extra="forbid"):
    """Redraws training images at several strengths, under a learnt word for each class."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "da-fusion"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    engine: Diffuse = Field(default=Diffuse(steps=15), description="who draws; its `tokens` are learnt here")
    inversion: InversionTrainer = Field(
        default=InversionTrainer(base=ZOO, schedule=QUICK, templates=TEMPLATES),
        description="how words are learnt; `base` is the engine's",
    )
    names: bool = Field(default=True, description="words begin as the class's name; else as `the` (leakage guard)")
    prompt: str = Field(default="a photo of a {}", description="{} is the word")
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1)] = Field(
        default=(1.0, 0.75, 0.5, 0.25), description="how much is drawn anew; each equally often"
    )
    masked: bool = Field(default=False, description="where images have masks, only the thing is drawn anew")
    per_image: PerImage = 10
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
        return cls(
            shots=16,
            seeds=tuple(range(8)),
            engine=Diffuse(pipeline=SD, steps=50),
            inversion=InversionTrainer(base=SD),
            names=False,
            guidance=7.5,
        )

    def run(self, run: Run, data: Collection) -> Report:
        """Learn words and draw for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "DA-Fusion")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: a word for each class, then every image, so many times, at strengths in turn."""
        train = choice["train"]
        start = {"base": self.engine.pipeline, "start": None if self.names else "the"}
        words = run.fit(self.inversion.model_copy(update=start), f"learn words, seed {seed}", train=train)
        tokens = [*class_tokens(train.classes).values()]
        engine = self.engine.model_copy(update={"tokens": words})
        asked = [(image, n) for image in train.samples for n in range(self.per_image)]
        requests = [(self._request(image, tokens, (seed, n)), image) for image, n in asked]
        return self.sieve.sifted(run, painted(run, engine, requests), choice)

    def _request(self, source: Sample, tokens: Sequence[str], turn: tuple[int, int]) -> Request:
        label, first = class_of(source), seed_for("strength", turn[0], source.image)
        return Request(
            prompt=self.prompt.replace("{}", tokens[label]),
            seed=seed_for(self.name, turn, source.image),
            label=label,
            source=source.image,
            strength=self.strengths[(first + turn[1]) % len(self.strengths)],
            mask=source.mask if self.masked else None,
            guidance=self.guidance,
        )

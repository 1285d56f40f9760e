"""DALDA: new scenes in words, held to each image's look as strongly as it needs (Jung et al. 2024).

A language model thinks of scenes for every class. Each is drawn from noise with a training image as image prompt, whose
scale adapts: an image that CLIP takes for its class may be varied freely, one that it does not must be held to.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from counterfactory.classify.models import ClipHead
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.errors import BadData
from counterfactory.keys import seed_for
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.metrics.guidance_scale import Rule, guidance_scale
from counterfactory.names import ModelName
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, About, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.class_words import DIORAMA, Words, among, prompts_of
from counterfactory.recipes.probe import PROBE
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.types import ClassWish, Collection, Dataset, Failed, Report, Request, Sample

ZOO = "zoo:diorama"
CLIP = "openai/clip-vit-base-patch16"


class Dalda(BaseModel, frozen=True, extra="forbid"):
    """Draws prompts of each class with the training images as image prompts of adaptive scale."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "dalda"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper", "paper-code")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    prompts: PromptWriter = Field(default=DIORAMA, description="who thinks of prompts")
    about: About = ""
    number: Annotated[int, Field(ge=1)] = Field(default=10, description="prompts of each class")
    quality: str = Field(default="", description="words before every prompt")
    negative_prompt: str = Field(default="", description="what drawings are led away from")
    engine: Diffuse = Field(
        default=Diffuse(image_prompts=f"{ZOO}/ip_adapter", steps=10), description="who draws, with an IP-Adapter"
    )
    clip: ModelName = Field(default=f"{ZOO}/clip", description="who says how sure an image's class is")
    scale: Rule | Annotated[float, Field(ge=0, le=1)] = Field(
        default="truncated", description="of the image prompt: truncated, clipped (as published), uniform, or a number"
    )
    per_image: PerImage = 5
    guidance: Guidance = 4.0
    sieve: Sieve = Field(default=Sieve(), description="which drawings count, and how often")
    eyes: Eyes = EYES
    classifier: Trained = ClassifierTrainer()

    @classmethod
    def tiny(cls) -> "Dalda":
        """To see it work: two drawings of each image, few steps, short trainings."""
        quick = cls.default().engine.model_copy(update={"steps": 8})
        return cls(seeds=(0, 1), per_image=2, engine=quick, classifier=ClassifierTrainer(steps=80))

    @classmethod
    def default(cls) -> "Dalda":
        """Drawn by the zoo with the lexicon's prompts; `engine`, `clip` and `prompts` take models of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "Dalda":
        """As the paper says: Stable Diffusion 1.5 with IP-Adapter, DDIM, 30 steps, ten prompts and drawings."""
        engine = Diffuse(
            pipeline="stable-diffusion-v1-5/stable-diffusion-v1-5",
            image_prompts="h94/IP-Adapter",
            scheduler="ddim",
            steps=30,
        )
        return cls(
            engine=engine,
            clip=CLIP,
            quality="best quality, high quality, ",
            negative_prompt="monochrome, lowres, bad anatomy, worst quality, low quality",
            guidance=7.5,
            per_image=10,
            classifier=PROBE.with_(model=ClipHead(name=CLIP).model_dump(), learning_rate=2e-4, weight_decay=0.1),
        )

    @classmethod
    def paper_code(cls) -> "Dalda":
        """As the published code does: scales of a normal distribution are clipped and not cut off."""
        return cls.paper().model_copy(update={"scale": "clipped"})

    def run(self, run: Run, data: Collection) -> Report:
        """Draw for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "DALDA")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: every image, so many times, as the image prompt of another scene of its class."""
        train = choice["train"]
        wish = ClassWish(name="", number=self.number, about=self.about, seed=seed)
        words, scales = prompts_of(run, self.prompts, train, wish), self.scales(run, train, seed)
        requests = [
            (self._request(image, words, scale, (seed, place, n)), image)
            for place, image in enumerate(train.samples)
            for n, scale in enumerate(scales[place])
        ]
        return self.sieve.sifted(run, painted(run, self.engine, requests), choice)

    def scales(self, run: Run, train: Dataset, seed: int) -> list[list[float]]:
        """For each image those of its drawings; the formula's k is how many images its class really has."""
        images = Counter(map(class_of, train.samples))
        return [
            [
                guidance_scale(self.scale, likelihood, images[class_of(sample)], dice)
                for n in range(self.per_image)
                for dice in [np.random.default_rng([seed, seed_for("scale", sample.image, n)])]
            ]
            for sample, likelihood in zip(train.samples, self.likelihoods(run, train), strict=True)
        ]

    def likelihoods(self, run: Run, train: Dataset) -> list[float]:
        """How likely CLIP finds each image's own class among all of them."""
        said = run.map(among(self.clip, train.classes), [sample.image for sample in train.samples])
        if lost := [one.reason for one in said if isinstance(one, Failed)]:
            raise BadData(f"An image cannot be looked at by CLIP: {lost[0]}")
        return [row[class_of(sample)] for row, sample in zip(said, train.samples, strict=True)]  # type: ignore[index]

    def _request(self, source: Sample, words: Words, scale: float, turn: tuple[int, int, int]) -> Request:
        label, (seed, place, n) = class_of(source), turn
        scenes = words[label]
        return Request(
            prompt=self.quality + scenes[(place + n) % len(scenes)],
            negative_prompt=self.negative_prompt,
            seed=seed_for(self.name, (seed, n), source.image),
            label=label,
            source=source.image,
            image_prompt=source.image,
            image_prompt_scale=scale,
            guidance=self.guidance,
        )

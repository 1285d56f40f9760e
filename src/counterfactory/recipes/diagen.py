"""DIAGen: learnt words with noise, in scenes that a language model thinks of, weighed by a filter (Lingenberg 2024).

On top of DA-Fusion's learnt words: (1) noise on a word's embedding varies what the thing looks like, (2) prompts vary
where it is, and (3) a classifier trained on the few real images says how often each drawing is trained on.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.tokens import class_tokens
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.keys import seed_for
from counterfactory.language.class_prompts.names import filled, named
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, About, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.class_words import DIORAMA, PLAIN, Words, prompts_of
from counterfactory.recipes.counterfactuals import in_words
from counterfactory.recipes.da_fusion import QUICK, SD, TEMPLATES, ZOO
from counterfactory.recipes.probe import PROBE
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.types import ClassWish, Collection, Dataset, Report, Request, Sample, TokenNoise

DEVIATIONS = (0.0, 0.005, 0.01, 0.025)


class Diagen(BaseModel, frozen=True, extra="forbid"):
    """Redraws training images under learnt words with noise, in thought-of scenes, weighed by a filter."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "diagen"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    engine: Diffuse = Field(default=Diffuse(steps=10), description="who draws; its `tokens` are learnt here")
    inversion: InversionTrainer = Field(
        default=InversionTrainer(base=ZOO, schedule=QUICK, templates=TEMPLATES),
        description="how words are learnt; `base` is the engine's",
    )
    noise: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=DEVIATIONS, description="deviations of a word's vectors, in turns; none for words as they were learnt"
    )
    fresh_noise: bool = Field(default=True, description="drawn for each picture; else once for each deviation")
    relative_noise: bool = Field(default=False, description="deviations are parts of a vector's own length")
    prompts: PromptWriter | None = Field(default=DIORAMA, description="who thinks of scenes; null for plain sentences")
    about: About = ""
    number: Annotated[int, Field(ge=1)] = Field(default=10, description="prompts of each class")
    strength: Annotated[float, Field(gt=0, le=1)] = Field(default=0.7, description="how much is drawn anew")
    per_image: PerImage = 5
    guidance: Guidance = 4.0
    sieve: Sieve = Field(default=Sieve(weigh_by=ClassifierTrainer()), description="the filter; empty for none")
    eyes: Eyes = EYES
    classifier: Trained = ClassifierTrainer(synthetic_probability=0.7)

    @classmethod
    def tiny(cls) -> "Diagen":
        """To see it work: two drawings of each image, few steps, words that hardly moved."""
        brief = QUICK.model_copy(update={"images": 64})
        moved = InversionTrainer(base=ZOO, schedule=brief, templates=TEMPLATES)
        few = {"seeds": (0, 1), "per_image": 2, "engine": Diffuse(steps=8), "inversion": moved}
        short = {"sieve": Sieve(weigh_by=ClassifierTrainer(steps=80)), "classifier": ClassifierTrainer(steps=80)}
        return cls().model_copy(update={**few, **short})

    @classmethod
    def default(cls) -> "Diagen":
        """Drawn by the zoo with the lexicon's scenes; `engine` and `prompts` take models of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "Diagen":
        """As published, but for the writer, which is yours to name: Stable Diffusion 1.4, 50 steps, guidance 15."""
        engine, words = Diffuse(pipeline=SD, steps=50), InversionTrainer(base=SD, start="the")
        even = PROBE.with_(batch_size=16, balanced=True, size=256)
        sieve = Sieve(weigh_by=even.with_(augment="randaugment", weight_decay=0.01, patience=6))
        trained = {"sieve": sieve, "classifier": even.with_(synthetic_probability=0.7)}
        drawn = {"engine": engine, "inversion": words, "fresh_noise": False, "guidance": 15.0, "per_image": 10}
        return cls(shots=8).model_copy(update={**drawn, **trained})

    def run(self, run: Run, data: Collection) -> Report:
        """Learn words, draw and weigh for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "DIAGen")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: every image, so many times, each time with other noise in another scene."""
        train = choice["train"]
        trainer = self.inversion.model_copy(update={"base": self.engine.pipeline})
        words = run.fit(trainer, f"learn words, seed {seed}", train=train)
        engine, scenes = self.engine.model_copy(update={"tokens": words}), self.scenes(run, train, seed)
        asked = [(place, n) for place in range(len(train)) for n in range(self.per_image)]
        requests = [
            (self._request(train.samples[place], scenes, (seed, place, n)), train.samples[place]) for place, n in asked
        ]
        return self.sieve.sifted(run, painted(run, engine, requests), choice)

    def scenes(self, run: Run, train: Dataset, seed: int) -> Words:
        """Prompts of each class, in which its learnt word stands in place of its name."""
        names, tokens = [in_words(name) for name in train.classes], [*class_tokens(train.classes).values()]
        if self.prompts is None:
            return {label: (filled(PLAIN, token),) for label, token in enumerate(tokens)}
        wish = ClassWish(name="", number=self.number, about=self.about, seed=seed)
        said = prompts_of(run, self.prompts, train, wish)
        return {c: tuple(_saying(prompt, names[c], tokens[c]) for prompt in prompts) for c, prompts in said.items()}

    def _request(self, source: Sample, scenes: Words, turn: tuple[int, int, int]) -> Request:
        label, (seed, place, n) = class_of(source), turn
        deviation = self.noise[n % len(self.noise)] if self.noise else 0.0
        drawn = (source.image, n) if self.fresh_noise else (label, deviation)
        prompts = scenes[label]
        return Request(
            prompt=prompts[(place + n // max(1, len(self.noise)) + n) % len(prompts)],
            seed=seed_for(self.name, (seed, n), source.image),
            label=label,
            source=source.image,
            strength=self.strength,
            guidance=self.guidance,
            noise=self._noise(deviation, seed_for("noise", seed, *drawn)),
        )

    def _noise(self, deviation: float, seed: int) -> TokenNoise | None:
        return TokenNoise(deviation=deviation, seed=seed, relative=self.relative_noise) if deviation else None


def _saying(prompt: str, name: str, token: str) -> str:
    """A prompt in which the learnt word stands for the class; where the class is not named, beside all else."""
    found = named(prompt, name, token)
    if token in found:
        return found
    return filled(PLAIN, token) if name in prompt else f"{token}, {prompt}"

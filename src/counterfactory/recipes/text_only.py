"""Text alone: new images of each class from prompts, without a look at the few that there are.

What a text-to-image model knows of the names decides; every method that looks at the images must beat it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.keys import seed_for
from counterfactory.language.class_prompts.lexicon import LexiconPrompts
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, About, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.class_words import DIORAMA, prompts_of
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.types import ClassWish, Collection, Report, Request


class TextOnly(BaseModel, frozen=True, extra="forbid"):
    """Draws new images of every class from prompts alone."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "text-only"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    prompts: PromptWriter = Field(default=DIORAMA, description="who thinks of prompts")
    about: About = ""
    engine: Diffuse = Field(default=Diffuse(steps=10), description="who draws")
    per_image: PerImage = 5
    guidance: Guidance = 4.0
    sieve: Sieve = Field(default=Sieve(), description="which drawings count, and how often")
    eyes: Eyes = EYES
    classifier: Trained = ClassifierTrainer()

    @classmethod
    def tiny(cls) -> "TextOnly":
        """To see it work: two drawings for each image, few steps, short trainings."""
        return cls(seeds=(0, 1), per_image=2, engine=Diffuse(steps=8), classifier=ClassifierTrainer(steps=80))

    @classmethod
    def default(cls) -> "TextOnly":
        """Drawn by the zoo with the lexicon's prompts; `engine` and `prompts` take models of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "TextOnly":
        """Stable Diffusion as it comes: plain prompts, 50 steps, guidance 7.5."""
        plain = LexiconPrompts(kinds=())
        engine = Diffuse(pipeline="CompVis/stable-diffusion-v1-4", steps=50)
        return cls(prompts=plain, engine=engine, guidance=7.5, per_image=10)

    def run(self, run: Run, data: Collection) -> Report:
        """Draw for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "Text alone")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: as many prompts of a class as it has images, times so many."""
        train = choice["train"]
        wanted = {label: self.per_image * images for label, images in Counter(map(class_of, train.samples)).items()}
        wish = ClassWish(name="", number=max(wanted.values()), about=self.about, seed=seed)
        words = prompts_of(run, self.prompts, train, wish)
        requests = [
            Request(
                prompt=words[label][turn % len(words[label])],
                seed=seed_for(self.name, seed, train.classes[label], turn),
                label=label,
                guidance=self.guidance,
            )
            for label, number in wanted.items()
            for turn in range(number)
        ]
        return self.sieve.sifted(run, painted(run, self.engine, [(request, None) for request in requests]), choice)

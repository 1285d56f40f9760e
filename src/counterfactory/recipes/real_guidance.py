"""Real guidance: each image drawn again from its own pixels, told only its class (He et al. 2023).

The few images set where and how; the words say what. The published choice of strength is one of DA-Fusion's baselines.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.keys import seed_for
from counterfactory.recipes.augment_report import augmented
from counterfactory.recipes.augmentation import EYES, Candidate, Eyes, Guidance, PerImage, class_of, painted
from counterfactory.recipes.class_words import Wording
from counterfactory.recipes.probe import PROBE
from counterfactory.recipes.sieve import Sieve
from counterfactory.recipes.trials import Choice, Seeds, Shots, Trained
from counterfactory.run import Run
from counterfactory.types import Collection, Report, Request, Sample


class RealGuidance(BaseModel, frozen=True, extra="forbid"):
    """Draws each training image again by image-to-image with a plain prompt of its class."""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "real-guidance"
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper")

    shots: Shots = 4
    seeds: Seeds = (0, 1, 2)
    engine: Diffuse = Field(default=Diffuse(steps=10), description="who draws")
    wording: Wording = Field(default=Wording(), description="what is said of a class")
    per_image: PerImage = 5
    strength: Annotated[float, Field(gt=0, le=1)] = Field(default=0.5, description="how much is drawn anew")
    guidance: Guidance = 7.5
    sieve: Sieve = Field(default=Sieve(), description="which drawings count, and how often")
    eyes: Eyes = EYES
    classifier: Trained = ClassifierTrainer()

    @classmethod
    def tiny(cls) -> "RealGuidance":
        """To see it work: two drawings of each image, few steps, short trainings."""
        return cls(seeds=(0, 1), per_image=2, engine=Diffuse(steps=8), classifier=ClassifierTrainer(steps=80))

    @classmethod
    def default(cls) -> "RealGuidance":
        """Drawn by the zoo; `engine` takes a model of photographs."""
        return cls()

    @classmethod
    def paper(cls) -> "RealGuidance":
        """The baseline of DA-Fusion's comparison: Stable Diffusion, strength 0.5, ten drawings, eight seeds."""
        photographs = Diffuse(pipeline="CompVis/stable-diffusion-v1-4", steps=50)
        return cls(shots=16, seeds=tuple(range(8)), per_image=10, engine=photographs, classifier=PROBE)

    def run(self, run: Run, data: Collection) -> Report:
        """Draw for each seed, train with and without, measure on every test split."""
        return augmented(run, data, self, "Real guidance")

    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]:
        """The method: every image, so many times, from its own pixels."""
        train = choice["train"]
        asked = [(image, n) for image in train.samples for n in range(self.per_image)]
        requests = [(self._request(one, train.classes, (seed, n)), one) for one, n in asked]
        return self.sieve.sifted(run, painted(run, self.engine, requests), choice)

    def _request(self, source: Sample, classes: tuple[str, ...], turn: tuple[int, int]) -> Request:
        label = class_of(source)
        return Request(
            prompt=self.wording.of(classes[label]),
            seed=seed_for(self.name, turn, source.image),
            label=label,
            source=source.image,
            strength=self.strength,
            guidance=self.guidance,
        )

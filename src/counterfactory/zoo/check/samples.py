"""The diffusion model of pixels: can its pictures be read with confidence, and are they spread like true ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import BaseModel

from counterfactory.keys import seed_for
from counterfactory.metrics.distances import frechet_distance
from counterfactory.names import ModelName
from counterfactory.types import Failed, Gallery, Picture, Request, Sample, Table
from counterfactory.worker import Worker
from counterfactory.zoo.check.drawing import kept_sample
from counterfactory.zoo.check.reading import Sight
from counterfactory.zoo.check.subject import Section, Subject, Wanted, percent, share

SURE = 0.9
STEPS = 50
PART = 4
SHOWN = 60


class DrawFreely(BaseModel, frozen=True, extra="forbid"):
    """A seed to a picture that nobody asked for."""

    version: ClassVar[int] = 1

    model: ModelName
    steps: int = STEPS

    def load(self, worker: Worker) -> Callable[[Sequence[int]], list[Sample | Failed]]:
        from counterfactory.diffusion.sampling import draw, open_denoiser
        from counterfactory.training.pictures import to_pixels

        denoiser = open_denoiser(self.model, worker.device, worker.torch_dtype())

        def draw_freely(seeds: Sequence[int]) -> list[Sample | Failed]:
            drawn = to_pixels(draw(denoiser, seeds, min(self.steps, len(denoiser.power))))
            requests = [Request(prompt="", seed=seed) for seed in seeds]
            return [
                kept_sample(Image.fromarray(pixels), request, self.model, worker)
                for pixels, request in zip(drawn, requests, strict=True)
            ]

        return draw_freely


def measure(subject: Subject) -> Section | str:
    """Draws some, and reads them and as many true renders, made as small."""
    model = subject.companion("ddpm")
    if not model:
        return "There is no diffusion model of pixels beside the pipeline (ddpm): not measured."
    truth = subject.some(PART)
    seeds = [seed_for(subject.check.seed, "check freely", turn) for turn in range(len(truth))]
    drawn = [sample for sample in subject.run.map(DrawFreely(model=model), seeds) if not isinstance(sample, Failed)]
    side = subject.run.worker.pixels.image(drawn[0].image).width
    sights = {
        "drawn": subject.read([sample.image for sample in drawn], side),
        "true renders": subject.read([sample.image for sample in truth], side),
    }
    sure = _sure(sights["drawn"])
    features = [np.stack([sight.features for sight in seen]) for seen in sights.values()]
    distance = round(frechet_distance(*features), 3)
    return Section(
        name="samples",
        numbers={**sure, "frechet": distance, "pictures": len(drawn)},
        wanted=(
            Wanted(
                what=f"DDPM: class and weather read with confidence > {SURE}",
                value=percent(sure["both"]), two_cores=85, accelerator=95,
            ),
        ),
        words=(f"DDPM: Fréchet distance to true renders of {side} pixels in the judge's features: {distance:.2f}.",),
        tables=(_table(sights),),
        galleries=(_gallery(drawn, sights["drawn"]),),
    )  # fmt: skip


def _table(sights: Mapping[str, Sequence[Sight]]) -> Table:
    return Table(
        title="Pictures that nobody asked for",
        columns=("", "pictures", f"class > {SURE}", f"weather > {SURE}", "both"),
        rows=tuple((what, len(seen), *map(percent, _sure(seen).values())) for what, seen in sights.items()),
        note=f"In % of the pictures; {STEPS} steps.",
    )


def _gallery(drawn: Sequence[Sample], sights: Sequence[Sight]) -> Gallery:
    pictures = tuple(
        Picture(sample=sample, label=sight.said["class"], scores={"class confidence": sight.sure["class"]})
        for sample, sight in zip(drawn[:SHOWN], sights, strict=False)
    )
    return Gallery(title="Drawn freely", pictures=pictures)


def _sure(sights: Sequence[Sight]) -> dict[str, float]:
    return {
        "class": share([sight.sure["class"] > SURE for sight in sights]),
        "weather": share([sight.sure["weather"] > SURE for sight in sights]),
        "both": share([sight.sure["class"] > SURE and sight.sure["weather"] > SURE for sight in sights]),
    }

"""A diffusion model of pixels on its own: learnt from any images, for explanations to search among."""

from typing import ClassVar

from pydantic import BaseModel, Field

from counterfactory.diffusion.trainers import PixelNetwork, PixelTrainer
from counterfactory.keys import seed_for
from counterfactory.recipes.train import kept
from counterfactory.recipes.trials import split_of
from counterfactory.run import Run
from counterfactory.training.schedule import Schedule
from counterfactory.types import Collection, Failed, Gallery, Picture, Report
from counterfactory.zoo.check.samples import DrawFreely

SHOWN, STEPS = 24, 50  # pictures on the page, and the steps that they are drawn in
PUBLISHED = PixelTrainer(
    schedule=Schedule(
        images=20_000_000, batch_size=60, learning_rate=1e-4, weight_decay=0.05, second_beta=0.999, smoothing=0.9999
    ),
    network=PixelNetwork(
        channels=(128, 128, 256, 384, 512), attends=(False, False, True, True, True), layers=2, head_width=64,
        groups=32, resample="resnet",
    ),
    size=128,
    times=500,
    noising="linear",
)  # fmt: skip


class Denoiser(BaseModel, frozen=True, extra="forbid"):
    """Trains an unconditional diffusion model of pixels and leaves it in the run's folder `model`."""

    version: ClassVar[int] = 1
    presets: ClassVar[tuple[str, ...]] = ("tiny", "default", "paper", "paper_code")

    seed: int = Field(default=0, ge=0, description="of the training and of the pictures that are shown")
    trainer: PixelTrainer = Field(default=PixelTrainer(), description="the network and how it is trained")

    @classmethod
    def tiny(cls) -> "Denoiser":
        """To see it work."""
        shape = PixelNetwork(channels=(16, 32), attends=(False, True), head_width=16, groups=8)
        return cls(trainer=PixelTrainer(schedule=Schedule(images=1024, batch_size=16), network=shape, size=16))

    @classmethod
    def default(cls) -> "Denoiser":
        """The zoo's network of 32 pixels, for a million pictures; `trainer.size` says another size."""
        return cls()

    @classmethod
    def paper(cls) -> "Denoiser":
        """DiME's network, noise and optimizer with the hybrid loss; how long is ours: the original never stops."""
        return cls(trainer=PUBLISHED)

    @classmethod
    def paper_code(cls) -> "Denoiser":
        """The same with the bound unscaled, as DiME's training script has it."""
        return cls(trainer=PUBLISHED.model_copy(update={"bound_weight": 1.0}))

    def run(self, run: Run, data: Collection) -> Report:
        """Train on the training split, keep the model where a person finds it, and draw from it."""
        course = self.trainer.schedule.model_copy(update={"seed": self.seed})
        chosen = {"train": split_of(data, "train")}
        if "validation" in data.splits:
            chosen["validation"] = data.splits["validation"]
        model = run.fit(self.trainer.model_copy(update={"schedule": course}), **chosen)
        folder = kept(run, model)
        summary = f"Trained on {len(chosen['train'])} images of {data.name}. The model is in {folder}."
        where = "the validation split" if "validation" in chosen else "the training split, which it learnt from"
        error = f"Error of the noise: {model.numbers['noise_error']:.4f} on {where}; of nothing learnt: 1."
        return Report(
            title=f"Denoiser of {data.name}",
            summary=(summary, error),
            numbers=dict(model.numbers),
            galleries=(self._drawn(run, folder),),
        )

    def _drawn(self, run: Run, folder: str) -> Gallery:
        seeds = [seed_for(self.seed, "denoiser", turn) for turn in range(SHOWN)]
        steps = min(STEPS, self.trainer.times)
        drawn = run.map(DrawFreely(model=folder, steps=steps), seeds)
        pictures = tuple(Picture(sample=sample, label="") for sample in drawn if not isinstance(sample, Failed))
        return Gallery(title=f"Drawn freely, in {steps} steps", pictures=pictures)

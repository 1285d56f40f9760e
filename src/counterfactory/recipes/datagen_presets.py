"""The settings of the presets of `datagen`: the smallest, the published, and the published code's."""

from typing import Any

from counterfactory.classify.cas import PUBLISHED, PUBLISHED_SEARCH
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.limit import Quota
from counterfactory.diffusion.adapted import COURSES, AdaptationTrainer
from counterfactory.recipes.generation import Amount
from counterfactory.recipes.generators import Pipeline, Way
from counterfactory.recipes.tuning import Tuning
from counterfactory.training.schedule import Schedule

SD = "CompVis/stable-diffusion-v1-4"  # whose network the published code has; the text speaks of 2.0, whose is wider


def _short(stage: str, epochs: int) -> Schedule:
    return COURSES[stage].model_copy(update={"epochs": epochs, "batch_size": 16, "rise": 5, "smoothing": 0.9})


TINY: dict[str, Any] = {
    "seeds": (0, 1),
    "training": Quota(per_class=12),
    "generator": Pipeline(
        encoder=AdaptationTrainer(base="zoo:diorama", schedule=_short("encoder", 3)), denoiser=_short("denoiser", 2)
    ),
    "drawing": Way(steps=6),
    "tuning": Tuning(
        trials=(4, 4), images=40, steps=(3, 8), guidance=(0.5, 4.0), finalists=1, repeats=1, rung=None,
        classifier=ClassifierTrainer(steps=60, evaluate_every=20, calibrate=False),
    ),
    "amount": Amount(times=(1, 2)),
    "classifier": ClassifierTrainer(steps=100),
}  # fmt: skip


def _published(epochs: int, batch_size: int, learning_rate: float) -> Schedule:
    """Adam with a cosine down to nothing, without a rise and without an average of the weights."""
    return Schedule(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=0.004, second_beta=0.999,
        rise=1, fall=1, lowest=0, smoothing=0,
    )  # fmt: skip


ENCODER = AdaptationTrainer(base=SD, schedule=_published(50, 64, 1e-4), tokens=100, size=128, trace=False)
PAPER: dict[str, Any] = {
    "generator": Pipeline(encoder=ENCODER, denoiser=_published(10, 16, 1e-5)),
    "drawing": Way(steps=50, guidance=7.5, scheduler="ddim"),
    "tuning": Tuning(
        trials=(50, 40), images=4000, steps=(5, 50), grain=0, published_steps=True, classifier=PUBLISHED_SEARCH,
        measure="accuracy", rung=None, finalists=1, repeats=0,
    ),
    "amount": Amount(per_class="balanced", times=tuple(range(1, 11))),
    "classifier": PUBLISHED,
}  # fmt: skip
PAPER_CODE: dict[str, Any] = {
    **PAPER,
    "generator": Pipeline(
        encoder=ENCODER.model_copy(update={"shape": "published", "unsaid": 0.0}), denoiser=_published(10, 16, 1e-5)
    ),
    "tuning": PAPER["tuning"].model_copy(update={"split": "test"}),
}

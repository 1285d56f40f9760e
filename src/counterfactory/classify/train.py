"""Trains a classifier: the configuration that every recipe and `counterfactory train` share. No torch to configure."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.classify.models import CifarResNet, FromScratch, Model, SmallResNet, is_frozen
from counterfactory.config import resolve
from counterfactory.types import Dataset
from counterfactory.worker import Worker

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=8, le=2048)]
SMALLEST, LARGEST = 64, 224  # pixels that a network from scratch is given where nobody says
Augmentation = Literal["none", "standard", "randaugment", "trivialaugment", "cutmix", "mixup"]


class ClassifierTrainer(BaseModel, frozen=True, extra="forbid"):
    """A classifier from `datasets["train"]`, the best of its states on `datasets["validation"]` where there is one."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "classifier"

    model: Model = SmallResNet()
    augment: Augmentation = "standard"
    steps: Count | None = None  # None: 40 passes over the data, but from 200 to 3,000 steps
    epochs: Count | None = None  # passes over the data, in place of steps
    batch_size: Count = 32
    learning_rate: Annotated[float, Field(gt=0)] | None = None  # None: what suits the model; cosine after a short rise
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    balanced: bool = False  # every class drawn equally often
    synthetic_probability: Share | None = 0.5  # of a synthetic image in a real one's place; None: as its own
    evaluate_every: Count | None = None  # steps; None: an eighth of all, but no fewer than 25
    patience: Count | None = None  # evaluations without a better one, after which training stops
    plateau: Count | None = None  # the same, after which the rate falls to a tenth; None: it falls by a cosine
    calibrate: bool = True  # a temperature from the validation images
    size: Side | None = None  # pixels; None: a checkpoint's, or the data's from 64 to 224
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_length(self) -> "ClassifierTrainer":
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps or epochs, not both; set one of them to null.")
        return self

    @model_validator(mode="after")
    def _mixing_needs_pixels(self) -> "ClassifierTrainer":
        if is_frozen(self.model) and self.augment in {"cutmix", "mixup"}:
            raise ValueError(
                f"augment: {self.augment} mixes images anew at each step, but a frozen backbone sees them only once; "
                "choose another augmentation, or a checkpoint with tune: lora or full."
            )
        return self

    def with_(self, **changes: Any) -> "ClassifierTrainer":
        """The same trainer but for some fields, checked as if they had been given from the start."""
        return resolve(self, changes)

    def sized(self, train: Dataset, worker: Worker) -> "ClassifierTrainer":
        """The same with a size, where it has none and no checkpoint knows: the middle of what the first images have."""
        if self.size is not None or not isinstance(self.model, FromScratch):
            return self
        side = round(median(min(worker.pixels.image(sample.image).size) for sample in train.samples[:32]))
        if not isinstance(self.model, CifarResNet):
            side = min(max(side, SMALLEST), LARGEST)
        return self.model_copy(update={"size": side})

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]:
        """Leaves a folder that `from_pretrained` loads; on a killed call's folder it goes on from the last state."""
        from counterfactory.classify.fitting import fit

        return fit(self, worker, folder, datasets)

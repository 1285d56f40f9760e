"""Small real steps, an engine and a trainer that tests map and fit; real classes, no stand-ins."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import BaseModel

from counterfactory.pixels import encode_png
from counterfactory.types import Address, Dataset, Failed, Origin, Request, Sample
from counterfactory.worker import Worker


class Multiply(BaseModel, frozen=True, extra="forbid"):
    version: ClassVar[int] = 1
    factor: int = 2

    def load(self, worker: Worker) -> Callable[[Sequence[int]], list[int]]:
        return lambda numbers: [self.factor * number for number in numbers]


class Picky(BaseModel, frozen=True, extra="forbid"):
    """Breaks on numbers that `bad` divides, and refuses negative ones politely."""

    version: ClassVar[int] = 1
    bad: int = 7

    def load(self, worker: Worker) -> Callable[[Sequence[int]], list[int | Failed]]:
        def apply(numbers: Sequence[int]) -> list[int | Failed]:
            if any(number % self.bad == 0 for number in numbers):
                raise ValueError(f"{self.bad} divides one of {list(numbers)}")
            return [Failed("", "negative", "raw reply") if number < 0 else number for number in numbers]

        return apply


class Noise(BaseModel, frozen=True, extra="forbid"):
    """An engine that draws noise from the request's seed."""

    version: ClassVar[int] = 1

    def load(self, worker: Worker) -> Callable[[Sequence[Request]], list[Sample]]:
        return lambda requests: [self.drawn(worker, request) for request in requests]

    def drawn(self, worker: Worker, request: Request) -> Sample:
        width, height = request.size or (8, 8)
        values = np.random.default_rng(request.seed).integers(0, 256, (height, width, 3), np.uint8)
        return Sample(
            image=Address(worker.blobs.put(encode_png(Image.fromarray(values)))),
            target=request.label,
            origin=Origin(
                parent=request.source.digest if request.source else None,
                prompt=request.prompt,
                seed=request.seed,
                model="noise@1",
            ),
        )


class Mean(BaseModel, frozen=True, extra="forbid"):
    """A trainer that learns the mean colour."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "mean"
    scale: float = 1.0

    def fit(self, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
        from safetensors.numpy import save_file

        images = worker.pixels.arrays([sample.image for sample in datasets["train"].samples], (8, 8))
        mean = (images.mean((0, 1, 2)) * self.scale).astype(np.float32)
        save_file({"mean": mean}, folder / "model.safetensors")
        return {"images": len(images), "red": float(mean[0])}

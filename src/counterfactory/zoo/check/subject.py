"""What a check is about: the pipeline, its companions, the prompts that no training saw, and the run that remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from counterfactory.data.diorama.place import scene_at
from counterfactory.data.diorama.world import Scene
from counterfactory.errors import BadData
from counterfactory.keys import seed_for
from counterfactory.names import ModelName, model_folder
from counterfactory.run import Run
from counterfactory.shipped import is_shipped, shipped_names
from counterfactory.types import Address, Failed, Gallery, Plot, Request, Sample, Table
from counterfactory.zoo.check.drawing import Draw
from counterfactory.zoo.check.reading import Look, Sight, sight
from counterfactory.zoo.world import seen_scenes

FACTORS = ("class", "colour", "surface", "weather", "time")
Count = Annotated[int, Field(ge=1)]


class Check(BaseModel, frozen=True, extra="forbid"):
    """What is checked, by whom, and how thoroughly."""

    version: ClassVar[int] = 1

    model: ModelName = "zoo:diorama"
    judge: ModelName = "zoo:diorama/judge"
    prompts: Count = 1000
    steps: Count = 25
    guidance: float = 4.0
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One number that the zoo should reach: with two processor cores, and with an accelerator."""

    what: str
    value: float
    two_cores: float | None = None
    accelerator: float | None = None
    unit: str = "%"


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one part of a check found."""

    name: str  # under which its numbers stand in the JSON line
    numbers: Mapping[str, Any] = field(default_factory=dict)
    wanted: tuple[Wanted, ...] = ()
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    galleries: tuple[Gallery, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A picture that was asked for, and what the judge reads in it."""

    request: Request
    sample: Sample
    sight: Sight


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Everything that a section may look at."""

    run: Run
    check: Check

    @cached_property
    def folder(self) -> Path:
        """The pipeline's own."""
        return model_folder(self.check.model)

    @cached_property
    def scenes(self) -> tuple[Sample, ...]:
        """Fresh ones, of which no model has seen any."""
        return seen_scenes("check", self.check.prompts).samples

    def some(self, share: int) -> tuple[Sample, ...]:
        """One of so many of the fresh scenes, at least one; the first ones."""
        return self.scenes[: max(1, self.check.prompts // share)]

    def companion(self, part: str) -> str | None:
        """The name of a model that lies beside the pipeline, where it does."""
        if is_shipped(self.check.model):
            name = f"{self.check.model}/{part}"
            return name if name in shipped_names() else None
        folder = self.folder / part
        return str(folder) if folder.is_dir() and any(folder.rglob("*.safetensors")) else None

    def request(self, prompt: str, sample: Sample, **more: Any) -> Request:
        """A request about a scene; its seed follows from the scene."""
        seed = seed_for(self.check.seed, "check", sample.image.digest)
        return Request(prompt=prompt, seed=seed, guidance=self.check.guidance, **more)

    def drawn(self, requests: Sequence[Request], **networks: str) -> list[Drawn | None]:
        """What was drawn for each request, and how it is read; nothing where that failed."""
        step = Draw(model=self.check.model, steps=self.check.steps, **networks)
        samples = list(self.run.map(step, requests))
        sights = iter(self.read([sample.image for sample in samples if not isinstance(sample, Failed)]))
        pairs = zip(requests, samples, strict=True)
        return [None if isinstance(s, Failed) else Drawn(request=r, sample=s, sight=next(sights)) for r, s in pairs]

    def read(self, addresses: Sequence[Address], size: int | None = None) -> list[Sight]:
        """How the judge reads pictures."""
        return [_sight(one) for one in self.run.map(Look(judge=self.check.judge, size=size), addresses)]


def _sight(kept: Mapping[str, Any] | Failed) -> Sight:
    if isinstance(kept, Failed):  # our own pictures can be read: something else is wrong
        raise BadData(f"The judge cannot read a picture: {kept.reason}")
    return sight(kept)


def scene_of(sample: Sample) -> Scene:
    """The scene that a fresh sample was drawn from."""
    return scene_at(sample.image.place)


def share(rights: Sequence[bool]) -> float:
    """The part that is right."""
    return round(sum(rights) / len(rights), 4) if rights else 0.0


def percent(value: float) -> float:
    """A share as the page shows it."""
    return round(100 * value, 2)

"""What all augmentation recipes share: for each seed draw after its few images, train with and without, compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.diffusion.engine import Diffuse
from counterfactory.errors import BadData
from counterfactory.names import ModelName
from counterfactory.recipes.spent import spending
from counterfactory.recipes.trials import Arm, Choice, few_shot
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Request, Sample, succeeded

ALONE = "real images alone"
EYES = "zoo:diorama/clip"
Eyes = Annotated[ModelName | None, Field(description="a CLIP to measure what was drawn; null for none")]
PerImage = Annotated[int, Field(ge=1, description="drawings of each training image")]
Guidance = Annotated[float, Field(description="how much more than nothing the words count")]
About = Annotated[str, Field(description="what the images are, in words, for who thinks of prompts")]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A drawing for the training set, the image that it was drawn after, and what is thought of it."""

    request: Request
    sample: Sample
    source: Sample | None = None
    weight: float = 1.0  # how often it comes, beside its siblings
    scores: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()  # why it does not come at all

    @property
    def counts(self) -> bool:
        """Whether it may be trained on."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why it is not trained on, in words; nothing where it is."""
        return "; ".join(self.reasons) or ("" if self.weight > 0 else "it weighs nothing")


class Method(Protocol):
    """A way to get more training images out of a few; a frozen model of settings, as every recipe is."""

    name: ClassVar[str]

    @property
    def shots(self) -> int | None: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def engine(self) -> Diffuse: ...
    @property
    def classifier(self) -> ClassifierTrainer: ...
    @property
    def eyes(self) -> str | None: ...
    def draw(self, run: Run, choice: Choice, seed: int) -> Sequence[Candidate]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """What a method drew from the images of each seed."""

    choices: Mapping[int, Choice]
    candidates: Mapping[int, Sequence[Candidate]]


def class_of(sample: Sample) -> int:
    """The one class of a training image."""
    if not isinstance(sample.target, int):
        raise BadData("Images with one label each can be drawn after; these have several or soft ones.")
    return sample.target


def drawn(run: Run, data: Collection, method: Method) -> Drawn:
    """The few images of every seed, and what the method makes of them."""
    choices = {seed: few_shot(data, method.shots, seed) for seed in method.seeds}
    with spending(run, f"{method.name}, {method.shots or 'all'} shots"):
        candidates = {seed: method.draw(run, choices[seed], seed) for seed in method.seeds}
    return Drawn(choices=choices, candidates=candidates)


def arms(method: Method, found: Drawn) -> list[Arm]:
    """For each seed a classifier from the real images alone, and one from them and the drawings."""
    return [
        Arm(method=name, shots=method.shots, trainer=method.classifier.with_(seed=seed), data=data)
        for name in (ALONE, method.name)
        for seed, choice in found.choices.items()
        for data in [choice if name == ALONE else enlarged(choice, found.candidates[seed])]
    ]


def arms_of(run: Run, data: Collection, recipe: Any) -> tuple[list[Arm], list[str]]:
    """The trainings of any augmentation recipe, and what is to be said; one that draws nothing says them itself."""
    if not hasattr(recipe, "draw"):
        return list(recipe.arms(data)), []
    found = drawn(run, data, recipe)
    return arms(recipe, found), [f"{recipe.name}: {said}" for said in without_drawings(found)]


def without_drawings(found: Drawn) -> list[str]:
    """A sentence where no drawing of some seeds may be trained on."""
    bare = [str(seed) for seed, each in found.candidates.items() if not any(one.counts for one in each)]
    return [f"Of seed {', '.join(bare)} no drawing counts: its classifier learnt from {ALONE}."] if bare else []


def enlarged(choice: Choice, candidates: Sequence[Candidate]) -> Choice:
    """The training images and the drawings that count, each with its weight; validation stays as it is."""
    train, kept = choice["train"], [one for one in candidates if one.counts]
    if not kept:
        return choice
    weights = (*(train.weights or (1.0,) * len(train)), *(one.weight for one in kept))
    samples = (*train.samples, *(one.sample for one in kept))
    return {**choice, "train": replace(train, samples=samples, weights=weights)}


def painted(run: Run, engine: Diffuse, asked: Sequence[tuple[Request, Sample | None]]) -> list[Candidate]:
    """Requests and the images that they are drawn after, as candidates; what cannot be drawn is a failed row."""
    done = succeeded(zip(asked, run.map(engine, [request for request, _ in asked]), strict=True))
    return [Candidate(request=request, sample=sample, source=source) for (request, source), sample in done]


def synthetic(candidates: Sequence[Candidate], train: Dataset) -> dict[str, Dataset]:
    """The drawings as data sets of their own: those that count with weights, and apart the others with reasons."""
    kept = [one for one in candidates if one.counts]
    refused = [_saying_why(one) for one in candidates if not one.counts]
    weighed = tuple(one.weight for one in kept)
    every = {
        "synthetic": replace(train, samples=tuple(one.sample for one in kept), split="synthetic", weights=weighed),
        "rejected": replace(train, samples=tuple(refused), split="rejected", weights=None),
    }
    return {name: data for name, data in every.items() if data.samples}


def _saying_why(one: Candidate) -> Sample:
    return replace(one.sample, attributes={**one.sample.attributes, "left out because": one.why_not})

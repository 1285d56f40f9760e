"""Which drawings a classifier is trained on, and how often each comes: DIAGen's weights, and checks by CLIP."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from counterfactory.classify.confidence import Confidence
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadData
from counterfactory.metrics.duplicates import nearest
from counterfactory.metrics.weighting import chances, weights
from counterfactory.names import ModelName
from counterfactory.recipes.augmentation import Candidate, class_of
from counterfactory.recipes.counterfactuals import in_words
from counterfactory.recipes.trials import Choice
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed, ClipZeroShot
from counterfactory.types import Failed

Share = Annotated[float, Field(ge=0, le=1)]


class Sieve(BaseModel, frozen=True, extra="forbid"):
    """Weighs drawings by a classifier of the few real images, and leaves out those that a bound speaks against."""

    weigh_by: ClassifierTrainer | None = Field(
        default=None, description="trained on the real images; drawings it doubts come less often (DIAGen)"
    )
    views: Annotated[int, Field(ge=1)] = Field(default=5, description="augmented views over which it is asked")
    clip: ModelName | None = Field(default=None, description="for the bounds on likelihood and likeness")
    least_confidence: Share | None = Field(default=None, description="of that classifier in the class, else left out")
    least_likelihood: Share | None = Field(default=None, description="CLIP's, of the class among all classes")
    most_likeness: Share | None = Field(default=None, description="cosine to a real image; above it nothing is new")

    def sifted(self, run: Run, candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
        """The same candidates with scores, weights, and the reasons why some do not count."""
        found = list(candidates)
        if found and self.weigh_by is not None:
            found = self._weighed(run, self.weigh_by, found, choice)
        if found and self.clip and self.least_likelihood is not None:
            found = _likely(run, self.clip, self.least_likelihood, found, choice)
        if found and self.clip and self.most_likeness is not None:
            found = _new(run, self.clip, self.most_likeness, found, choice)
        return found

    def _weighed(self, run: Run, trainer: ClassifierTrainer, found: list[Candidate], choice: Choice) -> list[Candidate]:
        """Each weight is 1 from a confidence of one half up, else twice the confidence; siblings share by it."""
        artifact = run.fit(trainer, "train the filter", **choice)
        step = Confidence(classifier=artifact, classes=choice["train"].classes, views=self.views)
        said = _numbers(run.map(step, [one.sample.image for one in found]), found)
        sources = [one.source.image.digest if one.source else "" for one in found]
        weighed = weights(said)
        even = set(chances(weighed, sources).even)
        if even:
            run.watcher.note(f"The filter gives all drawings of {len(even)} images no weight: they count alike.")
        kept = [
            replace(one, weight=1.0 if source in even else float(weight), scores={**one.scores, "confidence": c})
            for one, source, weight, c in zip(found, sources, weighed, said.tolist(), strict=True)
        ]
        if self.least_confidence is None:
            return kept
        return [_unless(one, "confidence", self.least_confidence, "the filter does not see the class") for one in kept]


def _likely(run: Run, clip: str, least: float, found: list[Candidate], choice: Choice) -> list[Candidate]:
    step = ClipZeroShot(model=clip, classes=tuple(map(in_words, choice["train"].classes)))
    said = _numbers(run.map(step, [one.sample.image for one in found]), found)
    scored = [_scored(one, "likelihood", value) for one, value in zip(found, said.tolist(), strict=True)]
    return [_unless(one, "likelihood", least, "CLIP takes it for another class") for one in scored]


def _new(run: Run, clip: str, most: float, found: list[Candidate], choice: Choice) -> list[Candidate]:
    step = ClipEmbed(model=clip)
    made, real = (
        np.stack(list(map(_known, run.map(step, addresses))))
        for addresses in ([one.sample.image for one in found], [sample.image for sample in choice["train"].samples])
    )
    said, _ = nearest(made, real)
    scored = [_scored(one, "likeness", value) for one, value in zip(found, said.tolist(), strict=True)]
    return [
        replace(one, reasons=(*one.reasons, f"it is a training image again (likeness {one.scores['likeness']:.2f})"))
        if one.scores["likeness"] > most
        else one
        for one in scored
    ]


def _scored(one: Candidate, name: str, value: float) -> Candidate:
    scores: Mapping[str, float] = {**one.scores, name: value}
    return replace(one, scores=scores)


def _unless(one: Candidate, name: str, least: float, why: str) -> Candidate:
    value = one.scores[name]
    reason = f"{why} ({name} {value:.2f} below {least:.2f})"
    return one if value >= least else replace(one, reasons=(*one.reasons, reason))


def _numbers(said: Any, found: Sequence[Candidate]) -> np.ndarray:
    """What is said of each drawing's own class."""
    return np.array([_known(row)[class_of(one.sample)] for row, one in zip(said, found, strict=True)])


def _known(said: Any) -> Any:
    if isinstance(said, Failed):  # our own drawings can be read: something else is wrong
        raise BadData(f"A drawing cannot be judged: {said.reason}")
    return said

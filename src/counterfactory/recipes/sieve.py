"""Which drawings a classifier is trained on, and how often each comes: DIAGen's weights, and bounds on drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, model_validator

from counterfactory.classify.confidence import Confidence
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadData
from counterfactory.metrics.duplicates import nearest, nearest_before
from counterfactory.metrics.weighting import chances, weights
from counterfactory.names import ModelName
from counterfactory.recipes.augmentation import Candidate, class_of
from counterfactory.recipes.class_words import among
from counterfactory.recipes.trials import Choice
from counterfactory.run import Run
from counterfactory.score.clip import ClipEmbed
from counterfactory.types import Failed, Sample

Share = Annotated[float, Field(ge=0, le=1)]
JUDGES: Mapping[str, tuple[str, ...]] = {  # who measures what the bounds are on
    "weigh_by": ("least_confidence", "most_confidence"),
    "clip": ("least_likelihood", "most_likeness", "most_repetition"),
}


class Sieve(BaseModel, frozen=True, extra="forbid"):
    """Weighs drawings by a classifier of the few real images, and leaves out those that a bound speaks against."""

    weigh_by: ClassifierTrainer | None = Field(
        default=None, description="trained on the real images; drawings it doubts come less often (DIAGen)"
    )
    views: Annotated[int, Field(ge=1)] = Field(default=5, description="augmented views over which it is asked")
    least_confidence: Share | None = Field(default=None, description="of that classifier in the class, else left out")
    most_confidence: Share | None = Field(default=None, description="of the same; above it nothing has changed")
    clip: ModelName | None = Field(default=None, description="for the bounds on likelihood, likeness and repetition")
    least_likelihood: Share | None = Field(default=None, description="CLIP's, of the class among all classes")
    most_likeness: Share | None = Field(default=None, description="cosine to a real image; above it nothing is new")
    most_repetition: Share | None = Field(default=None, description="cosine to a drawing that came before it")

    @model_validator(mode="after")
    def _is_measured(self) -> "Sieve":
        for judge, bounds in JUDGES.items():
            given = [name for name in bounds if getattr(self, name) is not None]
            if given and getattr(self, judge) is None:
                raise ValueError(
                    f"{given[0]} is a bound on what {judge} says, and {judge} is not set; set both or none"
                )
        if self.clip and all(getattr(self, name) is None for name in JUDGES["clip"]):
            raise ValueError(f"clip is set and no bound that it is for; set {' or '.join(JUDGES['clip'])}, or no clip")
        if (self.least_confidence or 0) > (1 if self.most_confidence is None else self.most_confidence):
            raise ValueError("least_confidence lies above most_confidence, so that nothing could pass; exchange them")
        return self

    def sifted(self, run: Run, candidates: Sequence[Candidate], choice: Choice) -> list[Candidate]:
        """The same candidates with scores, weights, and the reasons why some do not count."""
        found = list(candidates)
        if found and self.weigh_by is not None:
            found = self._weighed(run, self.weigh_by, found, choice)
        if found and self.clip and self.least_likelihood is not None:
            found = self._likely(run, self.clip, found, choice)
        if found and self.clip and self.most_likeness is not None:
            found = self._new(run, self.clip, found, choice)
        if self.clip and self.most_repetition is not None:
            found = self._once(run, self.clip, found)
        return found

    def _weighed(self, run: Run, trainer: ClassifierTrainer, found: list[Candidate], choice: Choice) -> list[Candidate]:
        """Each weight is 1 from a confidence of one half up, else twice the confidence; siblings share by it."""
        artifact = run.fit(trainer, "train the filter", **choice)
        classes = choice["train"].classes
        step = Confidence(classifier=artifact, classes=classes, augment=trainer.augment, views=self.views)
        said = _numbers(run.map(step, [one.sample.image for one in found]), found)
        sources = [one.source.image.digest if one.source else "" for one in found]
        weighed = weights(said)
        even = set(chances(weighed, sources).even)
        if even:
            run.watcher.note(f"The filter gives all drawings of {len(even)} images no weight: they count alike.")
        kept = [
            replace(one, weight=1.0 if source in even else float(weight))
            for one, source, weight in zip(found, sources, weighed, strict=True)
        ]
        kept = _bounded(kept, "confidence", said, self.least_confidence, "the filter does not see the class")
        return _bounded(kept, "confidence", said, self.most_confidence, "nothing has changed for the filter", True)

    def _likely(self, run: Run, clip: str, found: list[Candidate], choice: Choice) -> list[Candidate]:
        step = among(clip, choice["train"].classes)
        said = _numbers(run.map(step, [one.sample.image for one in found]), found)
        return _bounded(found, "likelihood", said, self.least_likelihood, "CLIP takes it for another class")

    def _new(self, run: Run, clip: str, found: list[Candidate], choice: Choice) -> list[Candidate]:
        made, real = (_directions(run, clip, each) for each in ([one.sample for one in found], choice["train"].samples))
        said, _ = nearest(made, real)
        return _bounded(found, "likeness", said, self.most_likeness, "it is a training image again", True)

    def _once(self, run: Run, clip: str, found: list[Candidate]) -> list[Candidate]:
        """Of drawings that still count and are all but the same, the first."""
        places = [place for place, one in enumerate(found) if one.counts]
        if not places:
            return found
        said, _ = nearest_before(_directions(run, clip, [found[place].sample for place in places]))
        left = _bounded(
            [found[place] for place in places],
            "repetition",
            said,
            self.most_repetition,
            "it is another drawing again",
            True,
        )
        judged = dict(zip(places, left, strict=True))
        return [judged.get(place, one) for place, one in enumerate(found)]


def _bounded(
    found: Sequence[Candidate], name: str, said: np.ndarray, bound: float | None, why: str, is_most: bool = False
) -> list[Candidate]:
    """Candidates with a score, and with a reason against those on the wrong side of a bound."""
    bounded = []
    for one, value in zip(found, said.tolist(), strict=True):
        is_wrong = bound is not None and (value > bound if is_most else value < bound)
        reason = f"{why} ({name} {value:.2f} {'above' if is_most else 'below'} {bound:.2f})" if is_wrong else ""
        reasons = (*one.reasons, reason) if reason else one.reasons
        bounded.append(replace(one, scores={**one.scores, name: value}, reasons=reasons))
    return bounded


def _numbers(said: Any, found: Sequence[Candidate]) -> np.ndarray:
    """What is said of each drawing's own class."""
    return np.array([_known(row)[class_of(one.sample)] for row, one in zip(said, found, strict=True)])


def _directions(run: Run, clip: str, samples: Sequence[Sample]) -> np.ndarray:
    """Where pictures lie in CLIP's space."""
    return np.stack(list(map(_known, run.map(ClipEmbed(model=clip), [sample.image for sample in samples]))))


def _known(said: Any) -> Any:
    if isinstance(said, Failed):  # our own drawings can be read: something else is wrong
        raise BadData(f"A drawing cannot be judged: {said.reason}")
    return said

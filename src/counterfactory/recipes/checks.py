"""Whether a counterfactual may count: thresholds that real images set for themselves, and a reason for each refusal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, Field

from counterfactory.classify.masks import mask_classes
from counterfactory.classify.segment_under_test import SegmenterUnderTest
from counterfactory.classify.tested import model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.data.labels import main_class
from counterfactory.data.limit import Quota, within
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import seed_for
from counterfactory.metrics.validity import floor_of
from counterfactory.names import ModelName
from counterfactory.recipes.diorama import is_strange
from counterfactory.recipes.scores import Made, by_change, by_clip, by_label, by_layout
from counterfactory.run import Run
from counterfactory.score.change import Trace
from counterfactory.types import Collection, Dataset, Failed, Sample

ZOO = "zoo:"
SURE = 0.9  # who is so sure of a label sees it
REFERENCE = 200  # real images that set the thresholds
Bounds = Mapping[str, float]
Name = Literal["text", "image", "direction", "preference", "confidence", "layout", "change"]
NAMES: tuple[Name, ...] = get_args(Name)
BY_CLIP = {"text", "image", "direction", "preference"}
SAID: Mapping[str, str] = {
    "text": "the picture does not fit its caption",
    "image": "the picture is far from its source",
    "direction": "the picture did not change as its caption did",
    "preference": "the picture fits the old words better than the new ones",
    "confidence": "another classifier does not see the label",
    "layout": "the thing is not where it was",
    "change": "the picture is its source again",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of one counterfactual, and why it does not count; no reasons where it does."""

    scores: Mapping[str, float]
    reasons: tuple[str, ...]


class Checks(BaseModel, frozen=True, extra="forbid"):
    """Which scores are taken, by which models, and how strictly."""

    names: tuple[Name, ...] = Field(default=NAMES, description="what is checked, where a model for it is given")
    strictness: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="the share of real images that would fail each check"
    )
    clip: ModelName | None = Field(default=None, description="for text, image, direction and preference")
    classifier: ModelName | None = Field(default=None, description="not the one under test, for confidence")
    segmenter: ModelName | None = Field(default=None, description="not the one under test, for layout")

    def fitting(self, run: Run, data: Dataset) -> "Checks":
        """The same, without models of the zoo that know other classes; what a person named must know these."""
        kept = self
        if self.classifier and "confidence" in self.names and data.task == "single-label":
            step = UnderTest(model=model_under_test(self.classifier), classes=data.classes)
            kept = kept._tried("classifier", run, data, lambda: step.notices(run.worker, data.samples[0]))
        if self.segmenter and "layout" in self.names and all(sample.mask for sample in data.samples):
            eyes = SegmenterUnderTest(model=self.segmenter, classes=mask_classes(data))
            kept = kept._tried("segmenter", run, data, lambda: eyes.notices(run.worker))
        return kept

    def _tried(self, field: str, run: Run, data: Dataset, ask: Callable[[], object]) -> "Checks":
        name: str = getattr(self, field)
        try:
            ask()
            if not is_strange(name, data):
                return self
        except (BadConfig, BadData) as error:
            if not name.startswith(ZOO):
                raise BadConfig(f"checks.{field}: {error}") from error
        run.watcher.note(f"{name} knows other pictures and checks nothing; name another as `checks.{field}`.")
        return self.model_copy(update={field: None})

    @property
    def by_pairs(self) -> set[Name]:
        """The checks whose thresholds are what pairs of real images reach."""
        able = [(self.clip, BY_CLIP), (self.classifier, {"confidence"}), (self.segmenter, {"layout"})]
        return {name for name in self.names if any(model and name in own for model, own in able)}

    def verdicts(
        self, run: Run, made: Sequence[Made], real: Dataset, said: Sequence[tuple[Sample, str]]
    ) -> tuple[list[Verdict], Bounds]:
        """Of each counterfactual, and the thresholds; `said` are real images with their captions, which set them."""
        bounds, found = (self.bounds(run, real, said), self._scores(run, made, real)) if made else ({}, {})
        rows = [{name: float(found[name][row]) for name in found if name in bounds} for row in range(len(made))]
        return [Verdict(scores=row, reasons=tuple(_reasons(row, bounds))) for row in rows], bounds

    def bounds(self, run: Run, real: Dataset, said: Sequence[tuple[Sample, str]]) -> dict[str, float]:
        """The least that each score must be: what all but a share of real images reach."""
        pairs = _pairs(real, said)
        if not pairs and self.by_pairs:
            unchecked = ", ".join(sorted(self.by_pairs))
            run.watcher.note(f"Not checked: {unchecked}; {real.split!r} has no two images of one class with captions.")
        found = self._scores(run, pairs, real) if pairs else {}
        bounds = {name: floor_of(values[~np.isnan(values)], self.strictness) for name, values in found.items()}
        if "preference" in bounds:  # real pairs differ in much more than one edit; nearer to the new words is enough
            bounds["preference"] = 0.0
        if "confidence" in bounds:  # of pictures like those it learnt from it may be sure beyond all use
            bounds["confidence"] = min(bounds["confidence"], SURE)
        if "change" in self.names:  # another image is no measure of how small an edit may be
            traces = [t for t in run.map(Trace(), [one.image for one in real.samples]) if not isinstance(t, Failed)]
            bounds["change"] = floor_of(np.array(traces), 1 - self.strictness)
        return bounds

    def _scores(self, run: Run, made: Sequence[Made], real: Dataset) -> dict[str, Any]:
        """Those that are wanted and can be taken, in their order."""
        found: dict[str, Any] = {}
        if self.clip and BY_CLIP & set(self.names):
            found |= by_clip(run, made, self.clip)
        if self.classifier and "confidence" in self.names:
            found |= by_label(run, made, self.classifier, real.classes)
        if self.segmenter and "layout" in self.names:
            found |= by_layout(run, made, self.segmenter, real)
        if "change" in self.names:
            found |= by_change(run, made)
        return {name: found[name] for name in NAMES if name in self.names and name in found}


def reference(data: Collection, tests: Dataset) -> Dataset:
    """Real images to set thresholds by: not those that are tested on, where there are others."""
    other = next((data.splits[name] for name in ("validation", "train") if name in data.splits), tests)
    return within(other, Quota(total=REFERENCE))


def _reasons(scores: Mapping[str, float], bounds: Bounds) -> Iterator[str]:
    """What was seen and what real images have; what could not be scored does not count."""
    for name, score in scores.items():
        if not score >= bounds[name]:
            yield f"{SAID[name]} ({name} {score:.2f} below {bounds[name]:.2f})"


def _pairs(real: Dataset, said: Sequence[tuple[Sample, str]]) -> list[Made]:
    """Each real image as if it were the counterfactual of another of its class: what scores are when all is well."""
    groups: dict[int | None, list[tuple[Sample, str]]] = {}
    for sample, caption in sorted(said, key=lambda one: seed_for("checks", one[0].image)):
        groups.setdefault(main_class(sample.target, real.task), []).append((sample, caption))
    turns = [(group[turn - 1], one) for group in groups.values() for turn, one in enumerate(group)]
    return [Made(source=a, before=old, after=new, drawn=b, mask=b.mask) for (a, old), (b, new) in turns if old != new]

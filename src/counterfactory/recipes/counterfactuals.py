"""A counterfactual as recipes handle it: what it was made from, which words changed, and whether it counts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterfactory.language.checks import value_of
from counterfactory.recipes.checks import Verdict
from counterfactory.recipes.scores import Made
from counterfactory.run import Run
from counterfactory.types import Dataset, Edit, Failed, Origin, Passage, Rewriting, Sample

Spoken = tuple[Sample, str]  # an image and what is said of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Counterfactual:
    """One drawing, its words and its verdict."""

    made: Made
    rewriting: Rewriting
    verdict: Verdict

    @property
    def counts(self) -> bool:
        """Whether no check speaks against it."""
        return not self.verdict.reasons

    @property
    def kind(self) -> str:
        """What was edited, in words; several words of one kind are one edit, such as rain and a wet street."""
        return " and ".join(self._first)

    @property
    def value(self) -> str:
        """What became of it, in words."""
        return ", ".join(value_of(edit) for edit in self._first.values())

    @property
    def _first(self) -> dict[str, Edit]:
        kinds = dict.fromkeys(edit.kind for edit in self.rewriting.edits)
        return {kind: next(edit for edit in self.rewriting.edits if edit.kind == kind) for kind in kinds}


def spoken(samples: Sequence[Sample], captions: Sequence[tuple[str, ...] | Failed]) -> list[Spoken]:
    """The images of which something is said; several captions of one are one text."""
    pairs = zip(samples, captions, strict=True)
    return [(s, ". ".join(text.rstrip(". ") for text in said)) for s, said in pairs if not isinstance(said, Failed)]


def captioned(run: Run, captioner: Any, images: Dataset) -> list[Spoken]:
    """Images with what a captioner says; nothing where captions come with the data, and none of these has one."""
    if captioner.kind == "given" and not any(sample.caption for sample in images.samples):
        return []
    return spoken(images.samples, run.map(captioner, images.samples))


def passage(one: Spoken, data: Dataset, synonyms: Mapping[str, tuple[str, ...]], task: str, seed: int) -> Passage:
    """A caption with what must stay in it: the label's words, or all classes where the pixels are labelled."""
    sample, caption = one
    label = data.classes[sample.target] if isinstance(sample.target, int) else ""
    others = synonyms.get(label, ()) if label else (*data.classes, *(word for ws in synonyms.values() for word in ws))
    return Passage(caption=caption, label=in_words(label), synonyms=tuple(map(in_words, others)), task=task, seed=seed)


def in_words(name: str) -> str:
    """A class's name as people write it."""
    return " ".join(re.split(r"[_\s]+", name)).strip()


def drawn_sample(one: Spoken, new: Rewriting, drawn: Sample) -> Made:
    """A drawing beside its source, labelled with its caption and with what was changed."""
    source, caption = one
    origin = replace(drawn.origin or Origin(), changed={edit.kind: edit.new for edit in new.edits})
    labelled = replace(drawn, target=source.target, mask=source.mask, caption=new.caption, origin=origin)
    return Made(source=source, before=caption, after=new.caption, drawn=labelled, mask=source.mask)


def published(made: Sequence[Counterfactual], data: Dataset) -> dict[str, Dataset]:
    """The counterfactuals that count, and apart those that do not."""
    groups = {"counterfactual": [c for c in made if c.counts], "rejected": [c for c in made if not c.counts]}
    return {
        name: replace(data, samples=tuple(c.made.drawn for c in group), split=name, weights=None)
        for name, group in groups.items()
        if group
    }


def scores_of(made: Sequence[Counterfactual]) -> dict[str, Mapping[str, float]]:
    """The scores of each drawing by its digest."""
    return {c.made.drawn.image.digest: c.verdict.scores for c in made}

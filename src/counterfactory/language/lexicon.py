"""The embedded writer: rules and word banks that edit a caption offline, the same way every time."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.keys import seed_for
from counterfactory.language import bank
from counterfactory.language.change import Change, go_together, rewriting
from counterfactory.language.checks import complaint
from counterfactory.language.kinds import Kind
from counterfactory.language.looks import look_changes
from counterfactory.language.offers import meant, offers
from counterfactory.language.reading import Reading, read
from counterfactory.language.scenes import scene_changes
from counterfactory.language.words import phrase
from counterfactory.names import ModelName
from counterfactory.types import Failed, Passage, Rewriting
from counterfactory.worker import Worker

# What a picture may have otherwise while its layout and kind stay: viewpoint, size and style are for those who ask.
USUAL_KINDS: tuple[Kind, ...] = ("weather", "time of day", "season", "light", "colour", "material", "surroundings")
ORDER: tuple[Kind, ...] = ("size", "colour", "material", "surroundings", "weather", "light", "season", "time of day")

Judge = Callable[[str, Sequence[Rewriting]], list[float]]  # how plausible rewritings of a caption are


class Lexicon(BaseModel, frozen=True, extra="forbid"):
    """Counterfactual captions by rules: single-factor, or up to three kinds of edits in each."""

    version: ClassVar[int] = 1

    kind: Literal["lexicon"] = "lexicon"
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = USUAL_KINDS
    counterfactuals: Annotated[int, Field(ge=1, le=100)] = 1  # of each caption
    edits_per_image: Annotated[int, Field(ge=1, le=3)] = 1
    banks: Mapping[Kind, Annotated[tuple[str, ...], Field(min_length=1)]] | None = None  # for these kinds, only these
    ranker: ModelName | None = None  # a causal or an embedding model that keeps the more plausible half

    @model_validator(mode="after")
    def _has_words(self) -> "Lexicon":
        if "other" in self.kinds and "other" not in (self.banks or {}):
            raise ValueError("the lexicon has no words of kind 'other'; list some in banks, or leave the kind out")
        for kind, texts in (self.banks or {}).items():
            if not all(phrase(text) for text in texts):
                raise ValueError(f"banks: an entry of {kind!r} holds no word; give words to write")
        return self

    def load(self, worker: Worker) -> Callable[[Sequence[Passage]], list[tuple[Rewriting, ...] | Failed]]:
        if self.ranker is None:
            return lambda passages: [self._rewritten(passage, None) for passage in passages]
        from counterfactory.language.plausibility import open_judge
        from counterfactory.names import model_folder

        judge = open_judge(model_folder(self.ranker), worker.device, worker.torch_dtype())
        return lambda passages: [self._rewritten(passage, judge) for passage in passages]

    def _rewritten(self, passage: Passage, judge: Judge | None) -> tuple[Rewriting, ...] | Failed:
        """As many different captions as there are, spread over the kinds."""
        if not phrase(passage.caption):
            return Failed("", "the caption holds no word to edit", passage.caption)
        dice = random.Random(seed_for("lexicon", passage.seed, passage.caption, passage.label))
        reading = read(passage)
        found = {kind: self._changes(reading, kind) for kind in sorted(self.kinds)}
        queues = [_queue(passage, changes, dice, judge) for changes in found.values() if changes]
        dice.shuffle(queues)
        return self._chosen(passage, queues) or self._nothing(passage)

    def _nothing(self, passage: Passage) -> Failed:
        kinds = ", ".join(self.kinds)
        return Failed(
            "", f"no word of the caption may change and nothing fits to be added, of {kinds}", passage.caption
        )

    def _changes(self, reading: Reading, kind: Kind) -> list[Change]:
        """Every single edit of a kind that this caption allows."""
        if _is_about_the_label(reading, kind):
            return []
        is_asked = self.banks is not None and kind in self.banks
        find = look_changes if kind in bank.LOOKS else scene_changes
        return list(find(reading, offers(kind, self.banks), is_asked))

    def _chosen(self, passage: Passage, queues: Sequence[list[Change]]) -> tuple[Rewriting, ...]:
        """One of each kind in turn, joined by fitting ones of the kinds after it where several edits are wanted."""
        chosen: dict[str, Rewriting] = {}
        for depth in range(max(map(len, queues), default=0)):
            for turn, queue in enumerate(queues):
                if depth < len(queue) and len(chosen) < self.counterfactuals:
                    others = [*queues[turn + 1 :], *queues[:turn]]
                    changes = self._joined(queue[depth], others, depth)
                    new = rewriting(passage.caption, sorted(changes, key=_place_in_order))
                    if not complaint(passage, new):
                        chosen.setdefault(new.caption.lower(), new)
        return tuple(chosen.values())

    def _joined(self, first: Change, others: Sequence[list[Change]], depth: int) -> list[Change]:
        changes = [first]
        for queue in others:
            turned = [*queue[depth % len(queue) :], *queue[: depth % len(queue)]]
            fitting = (other for other in turned if all(go_together(change, other) for change in changes))
            if len(changes) < self.edits_per_image and (other := next(fitting, None)):
                changes.append(other)
        return changes


def _queue(passage: Passage, changes: list[Change], dice: random.Random, judge: Judge | None) -> list[Change]:
    """The changes of one kind in the order in which they are taken: every value once before any value twice."""
    if judge is not None:
        scores = judge(passage.caption, [rewriting(passage.caption, [change]) for change in changes])
        ranked = sorted(range(len(changes)), key=lambda place: -scores[place])
        changes = [changes[place] for place in ranked[: (len(changes) + 1) // 2]]
    changes = dice.sample(changes, len(changes))
    earlier = [sum(other.value == change.value for other in changes[:turn]) for turn, change in enumerate(changes)]
    return [changes[turn] for turn in sorted(range(len(changes)), key=earlier.__getitem__)]


def _is_about_the_label(reading: Reading, kind: Kind) -> bool:
    """Whether the label is itself a value of the kind, as `beach` is of surroundings: then the kind stays."""
    return any(meant(kind, " ".join(name)) for name in reading.wanted) and kind not in bank.LOOKS


def _place_in_order(change: Change) -> int:
    return ORDER.index(change.kind) if change.kind in ORDER else len(ORDER)

"""The published way to rewrite captions, DILLEMA's: which words may change, into what, and the caption that results.

Its steps two to four, asked one by one or in one question. What differs from the published system is what it lacked:
edits have a kind, the label is protected, and every reply is checked and asked for again with the complaint.
"""

import random
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from counterfactory.asking.chat import NoAnswer
from counterfactory.asking.conversation import Conversation, Question, until_valid
from counterfactory.keys import seed_for
from counterfactory.language import published_forms as forms
from counterfactory.language.kinds import KINDS, Kind
from counterfactory.language.prompts import Prompts, fill
from counterfactory.language.writers import Writer, open_writer
from counterfactory.types import Edit, Failed, Passage, Rewriting
from counterfactory.worker import Worker

Rewritings = tuple[Rewriting, ...]
DRAWS = 20  # times that a choice of edits may come out as one that is there already, for each that is wanted


class Published(BaseModel, frozen=True, extra="forbid"):
    """Rewritings of a caption by a language model; fewer than wanted where the caption gives no more."""

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False

    kind: Literal["published"] = "published"
    writer: Writer
    calls: Literal["separate", "together"] = "separate"  # a call a step, as in the paper, or all in one
    counterfactuals: Annotated[int, Field(ge=1, le=20)] = 1  # of each caption
    edits_per_image: Annotated[int, Field(ge=1, le=3)] = 1  # 1: a failure has one cause; the paper mixes up to 3
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    prompts: Prompts = Prompts()

    @property
    def at_once(self) -> int:
        """Passages that are wanted in a batch."""
        return self.writer.at_once

    def load(self, worker: Worker) -> Callable[[Sequence[Passage]], list[Rewritings | Failed]]:
        hold = open_writer(self.writer, worker)
        held = self._separately if self.calls == "separate" else self._together
        return lambda passages: hold([held(passage) for passage in passages])

    def _separately(self, passage: Passage) -> Conversation[Rewritings]:
        tries, seed = self.writer.tries, seed_for("published", passage)
        found = yield from until_valid(self._keywords(passage, seed), tries)
        edits = yield from until_valid(self._alternatives(passage, found, seed), tries)
        rewritings: list[Rewriting] = []
        lost: NoAnswer | None = None
        for chosen in choices(edits, self.edits_per_image, self.counterfactuals, seed):
            try:
                rewritings.append((yield from until_valid(self._rewriting(passage, chosen, seed), tries)))
            except NoAnswer as error:
                lost = error
        if lost is not None and not rewritings:
            raise lost
        return tuple(rewritings)

    def _together(self, passage: Passage) -> Conversation[Rewritings]:
        wanted = forms.Wanted(self.counterfactuals, self.edits_per_image, self.kinds)
        text = fill(self.prompts.together, self._given(passage))
        mean = forms.counterfactuals(passage, wanted)
        question = Question(text=text, form=forms.Together, mean=mean, seed=seed_for("published", passage))
        return (yield from until_valid(question, self.writer.tries))

    def _keywords(self, passage: Passage, seed: int) -> Question[tuple[forms.Found, ...]]:
        text = fill(self.prompts.keywords, self._given(passage))
        return Question(text=text, form=forms.Keywords, mean=forms.keywords(passage, self.kinds), seed=seed)

    def _alternatives(
        self, passage: Passage, found: Sequence[forms.Found], seed: int
    ) -> Question[tuple[tuple[Edit, ...], ...]]:
        text = fill(self.prompts.alternatives, {**self._given(passage), "keywords": [word.words for word in found]})
        return Question(text=text, form=forms.Alternatives, mean=forms.alternatives(passage, found), seed=seed)

    def _rewriting(self, passage: Passage, edits: tuple[Edit, ...], seed: int) -> Question[Rewriting]:
        text = fill(self.prompts.rewriting, {**self._given(passage), "edits": edits})
        return Question(text=text, form=forms.Rewritten, mean=forms.rewriting(passage, edits), seed=seed)

    def _given(self, passage: Passage) -> dict[str, Any]:
        return {
            "caption": passage.caption,
            "label": passage.label,
            "synonyms": list(passage.synonyms),
            "task": passage.task,
            "kinds": list(self.kinds),
            "counterfactuals": self.counterfactuals,
            "edits_per_image": self.edits_per_image,
            "keywords": [],
            "edits": [],
        }


def choices(edits: Sequence[Sequence[Edit]], width: int, wanted: int, seed: int) -> list[tuple[Edit, ...]]:
    """Different sets of edits, one for each of a few places: as many as are wanted, or as there are."""
    dice = random.Random(seed)
    chosen: dict[tuple[Edit, ...], None] = {}
    for _ in range(DRAWS * wanted):
        places = sorted(dice.sample(range(len(edits)), min(width, len(edits))))
        chosen[tuple(dice.choice(edits[place]) for place in places)] = None
        if len(chosen) == wanted:
            break
    return list(chosen)

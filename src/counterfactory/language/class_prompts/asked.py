"""Prompts for classes from a language model: one class a request as DIAGen asks, or all together as DALDA does.

What the published systems lack: replies are read by class name and never by position, every sentence must name its
class and no other, none comes twice, and what is missing is asked for again.
"""

import math
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, model_validator

from counterfactory.asking.chat import Chat, Message, Reply
from counterfactory.asking.conversation import Conversation
from counterfactory.asking.reading import Invalid
from counterfactory.keys import seed_for
from counterfactory.language.class_prompts.names import all_classes
from counterfactory.language.class_prompts.question import Asked, Heard, form_of, hear, text_of
from counterfactory.language.class_prompts.scenes import USUAL_KINDS
from counterfactory.language.kinds import Kind
from counterfactory.language.words import phrase
from counterfactory.language.writers import Writer, open_writer
from counterfactory.types import ClassWish, Failed
from counterfactory.worker import Worker

Prompts = tuple[str, ...]
Answers = Mapping[str, Prompts | Failed]
TOGETHER = 128  # classes in one question at most; more are split into as even parts as can be
SENTENCE = 40  # tokens that a sentence and its quotes take
SHOWN = 5  # complaints that a failed row tells


class AskPrompts(BaseModel, frozen=True, extra="forbid"):
    """Prompts by a language model; fewer than wanted where `tries` replies in all fell short."""

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False

    kind: Literal["published"] = "published"
    writer: Writer
    calls: Literal["each", "together"] = "each"  # a request for each class, or for all of them
    kinds: tuple[Kind, ...] = USUAL_KINDS  # what a sentence may say besides its class
    uncommon: bool = False  # in surroundings where one hardly meets the class

    @property
    def at_once(self) -> int:
        """Wishes that are wanted in a batch: enough for several requests, whose wishes share their replies."""
        return self.writer.at_once * (TOGETHER if self.calls == "together" else 1)

    @model_validator(mode="after")
    def _has_surroundings(self) -> "AskPrompts":
        if self.uncommon and "surroundings" not in self.kinds:
            raise ValueError("uncommon surroundings are wanted, but kinds leaves the surroundings out")
        return self

    def load(self, worker: Worker) -> Callable[[Sequence[ClassWish]], list[Prompts | Failed]]:
        hold = open_writer(self.writer, worker)

        def write(wishes: Sequence[ClassWish]) -> list[Prompts | Failed]:
            groups = [self._group(wish) for wish in wishes]
            todo = list(dict.fromkeys(groups))
            answers = dict(zip(todo, hold([self._asked(group) for group in todo]), strict=True))
            return [_own(answers[group], wish) for group, wish in zip(groups, wishes, strict=True)]

        return write

    def _group(self, wish: ClassWish) -> "Group":
        """The classes that are asked for together with one: the same whichever of them is wished for."""
        every = tuple(sorted({wish.name, *wish.others}))
        count = math.ceil(len(every) / TOGETHER) if self.calls == "together" else len(every)
        bounds = [len(every) * turn // count for turn in range(count + 1)]
        turn = bisect(bounds, every.index(wish.name))
        return Group(
            names=every[bounds[turn - 1] : bounds[turn]],
            every=every,
            number=wish.number,
            about=wish.about,
            seed=wish.seed,
        )

    def _asked(self, group: "Group") -> Conversation[Answers]:
        """Asks until every class has its number, or until `tries` replies fell short of what they were asked for."""
        there: dict[str, Prompts] = dict.fromkeys(group.names, ())
        fits, tries, attempt, raw = self.writer.max_tokens // SENTENCE, self.writer.tries, 0, ""
        troubles: tuple[str, ...] = ()
        while tries and (asked := self._lacking(group, there, max(1, fits))).numbers:
            text = text_of(asked, there, troubles)
            said = Message(role="user", text=text)
            reply = yield Chat(messages=(said,), form=form_of(tuple(asked.numbers)), seed=group.key, attempt=attempt)
            heard = _heard(reply, text, asked, there)
            raw, attempt, troubles = reply.text, attempt + 1, heard.troubles
            there |= {name: (*there[name], *new) for name, new in heard.prompts.items()}
            if heard.is_refused:
                break
            tries -= any(len(heard.prompts.get(name, ())) < number for name, number in asked.numbers.items())
            fits = fits // 2 if reply.finish == "length" else fits
        return {name: found or _missing(name, troubles, raw) for name, found in there.items()}

    def _lacking(self, group: "Group", there: Mapping[str, Prompts], fits: int) -> Asked:
        """What the next question asks for: as many sentences as a reply can hold, an equal share for each class."""
        lacking = {name: group.number - len(found) for name, found in there.items() if phrase(name)}
        numbers = [(name, number) for name, number in lacking.items() if number > 0]
        share = max(1, fits // max(1, len(numbers)))
        return Asked(
            numbers={name: min(share, number) for name, number in numbers[:fits]},
            classes=all_classes(group.every),
            others=tuple(name for name in group.every if name not in there),
            about=group.about,
            kinds=self.kinds,
            uncommon=self.uncommon,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Classes that share their requests, among all classes of the data."""

    names: tuple[str, ...]
    every: tuple[str, ...]
    number: int
    about: str
    seed: int

    @property
    def key(self) -> int:
        """The seed of what is asked."""
        return seed_for("class prompts", self.names, self.number, self.about, self.seed)


def _heard(reply: Reply, text: str, asked: Asked, there: Mapping[str, Prompts]) -> Heard:
    if reply.finish == "refused":
        return Heard(
            prompts={}, troubles=(f"the model refused: {reply.text[:200] or 'without a word'}",), is_refused=True
        )
    if reply.finish == "length":
        return Heard(prompts={}, troubles=("it was cut off at max_tokens before it was whole",))
    try:
        return hear(reply.text, text, asked, there)
    except Invalid as invalid:
        return Heard(prompts={}, troubles=(str(invalid),))


def _missing(name: str, troubles: Sequence[str], raw: str) -> Failed:
    """Why a class has no prompt at all, with the last reply as it came."""
    if not phrase(name):
        return Failed("", f"the class {name!r} has no word that a prompt could say")
    return Failed("", f"no usable prompt for the class {name!r}: {'; '.join(troubles[:SHOWN])}", raw)


def _own(answers: Answers | Failed, wish: ClassWish) -> Prompts | Failed:
    return answers if isinstance(answers, Failed) else answers[wish.name]

"""Prompts for classes from the rules and word banks in the package: offline, the same every time."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, zip_longest
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from counterfactory.keys import seed_for
from counterfactory.language.bank import Value
from counterfactory.language.class_prompts.names import Classes, classes_of, spoken
from counterfactory.language.class_prompts.scenes import USUAL_KINDS, Said, decks, sentence, subject_of, together
from counterfactory.language.kinds import Kind
from counterfactory.language.words import phrase
from counterfactory.types import ClassWish, Failed
from counterfactory.worker import Worker

ROUNDS = 4  # draws for each prompt that is wanted, before all combinations are gone through one by one
PATIENCE = 2000  # combinations in a row that say nothing new


class LexiconPrompts(BaseModel, frozen=True, extra="forbid"):
    """Prompts such as `a photo of a red car on a road in the rain at night`; fewer where no more can be said."""

    version: ClassVar[int] = 1

    kind: Literal["lexicon"] = "lexicon"
    kinds: tuple[Kind, ...] = USUAL_KINDS  # what is said besides the name, `other` being adjectives; none is fine
    uncommon: bool = False  # in surroundings where one hardly meets the class
    banks: Mapping[Kind, Annotated[tuple[str, ...], Field(min_length=1)]] | None = None  # for these kinds, only these
    usual: Mapping[str, tuple[str, ...]] = {}  # by class, words of the bank that are no uncommon surroundings
    opening: str = "a photo of"

    @field_validator("banks")
    @classmethod
    def _has_words(cls, banks: Mapping[Kind, tuple[str, ...]] | None) -> Mapping[Kind, tuple[str, ...]] | None:
        for kind, texts in (banks or {}).items():
            if not all(phrase(text) for text in texts):
                raise ValueError(f"an entry of {kind!r} holds no word; give words to write")
        return banks

    @model_validator(mode="after")
    def _has_surroundings(self) -> "LexiconPrompts":
        if self.uncommon and "surroundings" not in self.kinds:
            raise ValueError("uncommon surroundings are wanted, but kinds leaves the surroundings out")
        return self

    def load(self, worker: Worker) -> Callable[[Sequence[ClassWish]], list[tuple[str, ...] | Failed]]:
        return lambda wishes: [self._written(wish) for wish in wishes]

    def _written(self, wish: ClassWish) -> tuple[str, ...] | Failed:
        name = spoken(wish.name)
        if not phrase(name):
            return Failed("", f"the class {wish.name!r} has no word that a prompt could say")
        found = tuple(islice(self._prompts(wish, name), wish.number))
        return found or Failed("", f"no prompt for {wish.name!r} that names no other class of the data")

    def _prompts(self, wish: ClassWish, name: str) -> Iterator[str]:
        """Different prompts, as long as there are any."""
        classes, subject = classes_of(wish), subject_of(name, wish.about)
        usual = self.usual.get(wish.name, ()) if self.uncommon else ()
        offered = decks(subject, self.kinds, self.banks, self.uncommon and not usual)
        free = [
            [said for said in deck if said.words not in usual and _is_free(said.words, classes)] for deck in offered
        ]
        dice = random.Random(seed_for("class prompts", wish.name, wish.seed))
        seen, idle = set[str](), 0
        for drawn in _spread([deck for deck in free if deck], dice, ROUNDS * wish.number):
            prompt = sentence(self.opening, name, together(subject, drawn, self.uncommon))
            idle += 1
            if prompt not in seen and not classes.complaint(wish.name, prompt):
                yield prompt
                idle = 0
            if idle > PATIENCE:
                return
            seen.add(prompt)


@lru_cache(maxsize=2**16)
def _is_free(text: str, classes: Classes) -> bool:
    """Whether words name no class, neither the one that is spoken of nor another."""
    return not any(True for _ in classes.said(text))


def _spread(every: Sequence[Sequence[Said]], dice: random.Random, draws: int) -> Iterator[tuple[Said, ...]]:
    """Draws in which each deck is dealt out before it is shuffled again; then every combination there is."""
    dealt = [_dealt(deck, dice) for deck in every]
    for _ in range(draws):
        yield tuple(next(cards) for cards in dealt)
    total = math.prod(map(len, every))
    step = next(step for step in iter(lambda: dice.randrange(1, total + 1), 0) if math.gcd(step, total) == 1)
    for place in range(total):
        yield _combination(every, place * step % total)


def _dealt(deck: Sequence[Said], dice: random.Random) -> Iterator[Said]:
    """The cards of a deck for ever: all values in turn, in another order each time."""
    while True:
        cards = dice.sample(deck, len(deck))
        met: dict[Value, list[Said]] = {}
        for card in cards:
            met.setdefault(card.value, []).append(card)
        turns = zip_longest(*met.values())
        yield from (card for turn in turns for card in turn if card is not None)


def _combination(every: Sequence[Sequence[Said]], place: int) -> tuple[Said, ...]:
    """The combination at a place among all of them."""
    chosen = []
    for deck in every:
        place, number = divmod(place, len(deck))
        chosen.append(deck[number])
    return tuple(chosen)

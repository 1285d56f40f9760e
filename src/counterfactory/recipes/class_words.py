"""What drawings are told of a class: plain words, or prompts that a writer thinks of."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.language.class_prompts.lexicon import LexiconPrompts
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.recipes.counterfactuals import in_words
from counterfactory.recipes.diorama import BANKS, USUAL
from counterfactory.run import Run
from counterfactory.types import ClassWish, Dataset, Failed

PLAIN = "a photo of a {}"
Words = Mapping[int, tuple[str, ...]]  # prompts by class
DIORAMA = LexiconPrompts(kinds=tuple(BANKS), banks=BANKS, usual=USUAL, opening="")  # as the zoo's captions are worded


def _has_place(text: str) -> str:
    if "{}" not in text:
        raise ValueError("say with {} where the class's name goes, as in 'a photo of a {}'")
    return text


class Wording(BaseModel, frozen=True, extra="forbid"):
    """A plain sentence for every class.

    Without `names` no class is named (the data-centric guard of DA-Fusion, Trabucco et al. 2024): what helps then is
    the few images, and not what a model knew of the names before.
    """

    prompt: Annotated[str, AfterValidator(_has_place)] = Field(default=PLAIN, description="{} is the class")
    names: bool = Field(default=True, description="whether classes may be named at all")
    unnamed: str = Field(default="a photo", description="what is said where they may not")

    def of(self, name: str) -> str:
        """The sentence of a class."""
        return self.prompt.replace("{}", in_words(name)) if self.names else self.unnamed


def prompts_of(run: Run, writer: PromptWriter, train: Dataset, wish: ClassWish) -> Words:
    """As many prompts for each class as the wish says; a plain one where the writer found none, which is told."""
    names = [in_words(name) for name in train.classes]
    wishes = [_for(wish, name, names) for name in names]
    found = run.map(writer, wishes)
    if bare := [name for name, said in zip(names, found, strict=True) if isinstance(said, Failed)]:
        run.watcher.note(f"No prompt could be had for {', '.join(bare)}: {PLAIN!r} is said of them.")
    return {
        label: (PLAIN.replace("{}", name),) if isinstance(said, Failed) else said
        for label, (name, said) in enumerate(zip(names, found, strict=True))
    }


def _for(wish: ClassWish, name: str, names: list[str]) -> ClassWish:
    others = tuple(other for other in names if other != name)
    return ClassWish(name=name, others=others, number=wish.number, about=wish.about, seed=wish.seed)

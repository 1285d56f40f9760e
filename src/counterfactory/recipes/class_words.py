"""What drawings are told of a class: plain words, or prompts that a writer thinks of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from counterfactory.data.problems import listed
from counterfactory.language.class_prompts.file import read_prompts, write_prompts
from counterfactory.language.class_prompts.lexicon import LexiconPrompts
from counterfactory.language.class_prompts.names import composed, filled, spoken
from counterfactory.language.class_prompts.writers import PromptWriter
from counterfactory.recipes.counterfactuals import in_words
from counterfactory.recipes.diorama import BANKS, USUAL
from counterfactory.run import Run
from counterfactory.score.clip import ClipZeroShot
from counterfactory.types import ClassWish, Dataset, Failed

PLAIN = "a photo of a {}"
PROMPTS = "prompts.csv"  # in the folder of a run
Words = Mapping[int, tuple[str, ...]]  # prompts by class
DIORAMA = LexiconPrompts(kinds=tuple(BANKS), banks=BANKS, usual=USUAL, opening="")  # as the zoo's captions are worded


def _has_place(text: str) -> str:
    if "{}" not in text:
        raise ValueError("say with {} where the class's name goes, as in 'a photo of a {}'")
    return text


Template = Annotated[str, AfterValidator(_has_place)]


class Wording(BaseModel, frozen=True, extra="forbid"):
    """A plain sentence for every class.

    Without `names` no class is named (the data-centric guard of DA-Fusion, Trabucco et al. 2024): what helps then is
    the few images, and not what a model knew of the names before.
    """

    prompt: Template = Field(default=PLAIN, description="{} is the class; `a` before it becomes `an` where it must")
    names: bool = Field(default=True, description="whether classes may be named at all")
    unnamed: str = Field(default="a photo", description="what is said where they may not")

    def of(self, name: str) -> str:
        """The sentence of a class."""
        return filled(self.prompt, spoken(name)) if self.names else self.unnamed


def plain(name: str) -> str:
    """What is said of a class where nobody thinks of anything else."""
    return filled(PLAIN, spoken(name))


def among(clip: str, classes: tuple[str, ...]) -> ClipZeroShot:
    """The step that says how likely CLIP finds each class of an image among all of them."""
    return ClipZeroShot(model=clip, classes=tuple(map(plain, classes)), prompt="{}")


def prompts_of(run: Run, writer: PromptWriter, train: Dataset, wish: ClassWish) -> Words:
    """As many prompts for each class as the wish says; a plain one where the writer found none, which is told."""
    names = [in_words(name) for name in train.classes]
    found = run.map(writer, [_for(wish, name, names) for name in names])
    bare = {name: said.reason for name, said in zip(train.classes, found, strict=True) if isinstance(said, Failed)}
    if bare:
        first = next(iter(bare))
        run.watcher.note(f"No prompt for {listed(bare)}: {plain(first)!r} or its like is said. Why: {bare[first]}")
    said = {
        name: (plain(name),) if isinstance(said, Failed) else said
        for name, said in zip(train.classes, found, strict=True)
    }
    _keep(run.folder / PROMPTS, said)
    return dict(enumerate(said.values()))


def _for(wish: ClassWish, name: str, names: list[str]) -> ClassWish:
    others = tuple(other for other in names if other != name)
    return ClassWish(name=name, others=others, number=wish.number, about=wish.about, seed=wish.seed)


def _keep(file: Path, prompts: Mapping[str, tuple[str, ...]]) -> None:
    """All prompts of a run in one file, those of every seed, which a person edits and hands back."""
    there = read_prompts(file) if file.exists() else {}
    more = {composed(name).strip(): texts for name, texts in prompts.items()}
    both = {
        name: tuple(dict.fromkeys((*there.get(name, ()), *more.get(name, ()))))
        for name in dict.fromkeys((*there, *more))
    }
    if both != there:
        write_prompts(file, both)

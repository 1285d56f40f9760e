"""Prompts for classes that a person wrote or edited."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, field_validator

from counterfactory.errors import nearest
from counterfactory.language.class_prompts.file import of_classes, problems, read_prompts
from counterfactory.names import ModelName
from counterfactory.types import ClassWish, Failed, Problem
from counterfactory.worker import Worker


class GivenPrompts(BaseModel, frozen=True, extra="forbid"):
    """All prompts that a file has for a class, whatever their number."""

    version: ClassVar[int] = 1

    kind: Literal["given"] = "given"
    file: ModelName  # .csv or .json; what it says is identified, and not how it is called

    @field_validator("file")
    @classmethod
    def _is_there(cls, file: str) -> str:
        if not Path(file).is_file():
            raise ValueError("there is no such file")
        return file

    def load(self, worker: Worker) -> Callable[[Sequence[ClassWish]], list[tuple[str, ...] | Failed]]:
        prompts = read_prompts(Path(self.file))
        by_class = cache(lambda classes: of_classes(prompts, classes))

        def give(wish: ClassWish) -> tuple[str, ...] | Failed:
            found = by_class(tuple(sorted({wish.name, *wish.others}))).get(wish.name)
            why = f"{Path(self.file).name} has no prompts for the class {wish.name!r}.{nearest(wish.name, prompts)}"
            return found or Failed("", why)

        return lambda wishes: [give(wish) for wish in wishes]

    def problems(self, classes: Sequence[str]) -> tuple[Problem, ...]:
        """Names in the file that are no class of the data, and classes for which it has nothing."""
        return problems(self.file, read_prompts(Path(self.file)), classes)

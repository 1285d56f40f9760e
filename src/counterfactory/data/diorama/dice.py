"""Choices that follow from a text alone: the same on every machine and in every version of Python."""

from collections.abc import Sequence
from typing import TypeVar

from counterfactory.keys import digest

Choice = TypeVar("Choice")


class Dice:
    """A number of 128 bits from which choice after choice is taken."""

    def __init__(self, text: str) -> None:
        self._number = int(digest(text.encode()), 16)

    def pick(self, options: Sequence[Choice]) -> Choice:
        """One of the options, each as likely."""
        self._number, index = divmod(self._number, len(options))
        return options[index]

    def shuffled(self, options: Sequence[Choice]) -> list[Choice]:
        """All of the options in some order."""
        left = list(options)
        return [left.pop(self.pick(range(len(left)))) for _ in options]

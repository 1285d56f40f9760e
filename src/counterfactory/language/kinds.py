"""What an edit of a caption changes."""

from typing import Literal, get_args

Kind = Literal[
    "weather",
    "time of day",
    "season",
    "light",
    "colour",
    "material",
    "surroundings",
    "viewpoint",
    "size",
    "style",
    "other",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

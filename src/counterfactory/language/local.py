"""A language model on this machine as a writer: its name and how it speaks. Loads nothing by itself."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from counterfactory.keys import ASIDE
from counterfactory.names import ModelName


class LocalWriter(BaseModel, frozen=True, extra="forbid"):
    """A causal language model of transformers, by hub id or folder, preferably one that was trained to chat."""

    kind: Literal["local"] = "local"
    model: ModelName
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0  # 0: the likeliest word at each place
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 512  # of a reply
    tries: Annotated[int, Field(ge=1, le=10), ASIDE] = 2  # replies to a question until one is valid

    @property
    def at_once(self) -> int:
        """The worker's own batch size is what fits its memory."""
        return 1

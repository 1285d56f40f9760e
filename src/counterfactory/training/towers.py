"""The shape of a transformer as configuration; no torch."""

from typing import Any

from pydantic import BaseModel

from counterfactory.training.schedule import Count


class Tower(BaseModel, frozen=True, extra="forbid"):
    """Its width, its depth and how many ways it looks at once."""

    width: Count = 128
    layers: Count = 4
    heads: Count = 4

    @property
    def config(self) -> dict[str, Any]:
        """The same in the words of transformers' configurations."""
        return {
            "hidden_size": self.width,
            "intermediate_size": 3 * self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "hidden_act": "gelu",
        }

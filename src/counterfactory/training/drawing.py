"""Draws words with one generator a text, so that a text is the same whatever it is written beside."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

NUCLEUS = 0.9  # only the likeliest words that make up this much are drawn from, as BLIP's authors do (Li et al. 2022)


class Drawn(LogitsProcessor):
    """Makes the likeliest word a drawn one: the largest logit plus Gumbel noise is a draw from their softmax."""

    def __init__(self, seeds: Sequence[int]):
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        uniform = torch.stack([torch.rand(scores.shape[1], generator=own) for own in self._generators])
        gumbel = -(-uniform.clamp(min=1e-20).log()).log()
        return nucleus(scores.float(), NUCLEUS) + gumbel.to(scores.device)


def nucleus(scores_BV: Tensor, share: float) -> Tensor:
    """Scores in which the fewest words remain that sum to a share of the probability (Holtzman et al. 2020)."""
    ranked, order = scores_BV.softmax(1).sort(dim=1, descending=True)
    before = ranked.cumsum(1) - ranked  # what the likelier words make up
    out = torch.zeros_like(scores_BV, dtype=torch.bool).scatter(1, order, before >= share)
    return scores_BV.masked_fill(out, -torch.inf)

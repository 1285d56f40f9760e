"""What text encoders make of prompts, Stable Diffusion's one or the two of SDXL, and a class encoder of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.spelling import Reader, Saying


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """A prompt as the denoising network listens to it: all its words, and for SDXL also what it says as a whole."""

    each: Tensor  # (T, D)
    whole: Tensor | None = None  # (P,)

    @property
    def nbytes(self) -> int:
        return int(self.each.nbytes + (0 if self.whole is None else self.whole.nbytes))

    def unsaid(self) -> "Words":
        """Nothing, as SDXL learnt to hear it."""
        return Words(
            each=torch.zeros_like(self.each), whole=None if self.whole is None else torch.zeros_like(self.whole)
        )


@torch.no_grad()
def understood(
    readers: Sequence[Reader], sayings: Sequence[Saying], dtype: torch.dtype, classes: Any = None
) -> list[Words]:
    """What a pipeline's encoders, for texts one or two, and its class encoder, where it has one, make of sayings."""
    texts = [said for said in sayings if said.label is None]
    labels = [said.label for said in sayings if said.label is not None]
    of_texts = iter(heard(readers, texts, dtype) if texts else [])
    of_classes = iter(named(classes, torch.tensor(labels), dtype) if labels else [])
    return [next(of_texts if said.label is None else of_classes) for said in sayings]


def named(classes: Any, labels_B: Tensor, dtype: torch.dtype) -> list[Words]:
    """Labels as a class encoder makes them, with a way back for gradients."""
    each, whole = classes(labels_B.to(next(classes.parameters()).device))
    summaries = [None] * len(each) if whole is None else whole.to(dtype)
    return [Words(each=words, whole=summary) for words, summary in zip(each.to(dtype), summaries, strict=True)]


def heard(readers: Sequence[Reader], texts: Sequence[Saying], dtype: torch.dtype) -> list[Words]:
    """Texts as tokenizers and encoders make them, with a way back for gradients; words beyond their length are lost."""
    if len(readers) == 1:
        said = readers[0].read(texts)[0]
        return [Words(each=words) for words in said.to(dtype)]
    both = [reader.read(texts, output_hidden_states=True) for reader in readers]
    # as SDXL was trained (Podell et al. 2023): the layer before the last of both, and the second one's summary
    each = torch.cat([one.hidden_states[-2] for one in both], -1).to(dtype)
    whole = both[-1].text_embeds.to(dtype)
    return [Words(each=words, whole=summary) for words, summary in zip(each, whole, strict=True)]

"""What text encoders make of prompts: Stable Diffusion's one, or the two of SDXL."""

from collections.abc import Sequence
from dataclasses import dataclass

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
def understood(readers: Sequence[Reader], texts: Sequence[Saying], dtype: torch.dtype) -> list[Words]:
    """Texts as a pipeline's tokenizers and encoders, one pair or two, make them; words beyond their length are lost."""
    return heard(readers, texts, dtype)


def heard(readers: Sequence[Reader], texts: Sequence[Saying], dtype: torch.dtype) -> list[Words]:
    """The same with a way back for gradients, to the vectors that are learnt."""
    if len(readers) == 1:
        said = readers[0].read(texts)[0]
        return [Words(each=words) for words in said.to(dtype)]
    both = [reader.read(texts, output_hidden_states=True) for reader in readers]
    # as SDXL was trained (Podell et al. 2023): the layer before the last of both, and the second one's summary
    each = torch.cat([one.hidden_states[-2] for one in both], -1).to(dtype)
    whole = both[-1].text_embeds.to(dtype)
    return [Words(each=words, whole=summary) for words, summary in zip(each, whole, strict=True)]

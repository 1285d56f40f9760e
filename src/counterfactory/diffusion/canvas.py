"""What drawings begin from: the latents of their sources, and which part of them is drawn anew."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """Sources as latents, a row for each drawing."""

    latents: Tensor  # (B, C, h, w)
    mask: Tensor | None = None  # (B, 1, h, w): 1 where it is drawn anew; all of it is where there is none
    kept: Tensor | None = None  # latents of the sources without what is drawn anew, for networks that look at them

    def seen_beside(self, noisy: Tensor) -> Tensor:
        """Latents as a network takes them that was trained to fill holes: beside the hole and what is around it."""
        if self.kept is None or self.mask is None:
            return noisy
        beside = torch.cat([self.mask, self.kept], 1).to(noisy)
        return torch.cat([noisy, beside.repeat(len(noisy) // len(beside), 1, 1, 1)], 1)

    def restored(self, drawn: Tensor, scheduler: Any, noise: Tensor, time: Tensor | None) -> Tensor:
        """Latents after a step, where all that is not drawn anew is the source with the next step's noise.

        As Lugmayr et al. 2022 fill holes with a network that never learnt to; at the end, `time` is None.
        """
        if self.mask is None or self.kept is not None:
            return drawn
        known = self.latents if time is None else scheduler.add_noise(self.latents, noise, time[None])
        return (1 - self.mask) * known + self.mask * drawn

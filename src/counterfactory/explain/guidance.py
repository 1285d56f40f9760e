"""The pull on noisy images: towards another answer, and back to their source. Knows no denoiser and no network.

Equations are those of Jeanneret et al. 2022 ("DiME"), section 3.2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from counterfactory.explain.step import Losses

Loss = Callable[[Tensor], Tensor]  # of pictures (B, C, H, W), a number for each


@dataclass(frozen=True, kw_only=True, eq=False)
class Guide:
    """What pulls on a batch of images."""

    source: Tensor
    reluctance: Loss  # how far a clean image is from the answer that is wanted
    strangeness: Loss | None  # how other it looks than its source
    scale: float
    losses: Losses
    rescaled: bool  # the answer's gradient, to a root mean square of 1 for each image

    def __call__(self, clean: Tensor, noisy: Tensor, signal: Tensor) -> Tensor:
        """The gradient of all losses by the noisy image (DiME, eq. 5 and 6).

        What is said of the clean estimate reaches the noisy image through 1 / sqrt(alpha-bar) alone, as published.
        """
        pull = gradient(self.reluctance, clean)
        if self.rescaled:
            pull = pull / pull.square().mean((1, 2, 3), keepdim=True).sqrt()
        pull = self.scale * pull
        if self.strangeness is not None:
            pull = pull + self.losses.perceptual * gradient(self.strangeness, clean)
        return pull / signal + self._of_noisy(noisy)

    def _of_noisy(self, noisy: Tensor) -> Tensor:
        """Of the sum of absolute differences, and of the sum of the lengths of the pixels' differences."""
        apart = noisy - self.source
        length = apart.norm(dim=1, keepdim=True)
        direction = torch.where(length > 0, apart / length, torch.zeros_like(apart))
        return self.losses.l1 * apart.sign() + self.losses.l2 * direction


@torch.enable_grad()
def gradient(loss: Loss, x_BCHW: Tensor) -> Tensor:
    """Of each picture's loss by the picture."""
    x_BCHW = x_BCHW.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(loss(x_BCHW).sum(), x_BCHW)
    return found

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
class Estimate:
    """What clean images a batch of noisy ones is taken for."""

    clean: Tensor
    noisy: Tensor
    signal: Tensor  # what is left of the clean images in the noisy ones
    at_once: Tensor | None = None  # the estimate of one step, if it knows how it came from the noisy images

    def led_back(self, gradient_BCHW: Tensor) -> Tensor:
        """A gradient by the clean images as one by the noisy: through the denoiser, or by their signal alone."""
        if self.at_once is None:
            return gradient_BCHW / self.signal
        (found,) = torch.autograd.grad(self.at_once, self.noisy, gradient_BCHW, retain_graph=True)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulls:
    """Gradients by a batch of noisy images."""

    towards: Tensor  # the answer that is wanted
    back: Tensor  # to the source
    are_felt: Tensor  # (B,), whether there is any gradient of the answer

    @property
    def whole(self) -> Tensor:
        """Both together."""
        return self.towards + self.back


@dataclass(frozen=True, kw_only=True, eq=False)
class Guide:
    """What pulls on a batch of images."""

    source: Tensor
    reluctance: Loss  # how far a clean image is from the answer that is wanted
    strangeness: Loss | None  # how other it looks than its source
    scale: float
    losses: Losses
    rescaled: bool  # the answer's gradient, to a root mean square of 1 for each image

    def __call__(self, seen: Estimate) -> Pulls:
        """The gradients of all losses by the noisy images (DiME, eq. 5 and 6)."""
        towards, back = seen.led_back(gradient(self.reluctance, seen.clean)), self._of_noisy(seen.noisy)
        if self.strangeness is not None:
            back = back + self.losses.perceptual * seen.led_back(gradient(self.strangeness, seen.clean))
        are_felt = towards.flatten(1).any(1)
        if self.rescaled:
            towards = of_unit_size(towards) / seen.signal
        return Pulls(towards=self.scale * towards, back=back, are_felt=are_felt)

    def _of_noisy(self, noisy: Tensor) -> Tensor:
        """Of the sum of absolute differences, and of the sum of the lengths of the pixels' differences."""
        apart = noisy - self.source
        length = apart.norm(dim=1, keepdim=True)
        direction = torch.where(length > 0, apart / length, torch.zeros_like(apart))
        return self.losses.l1 * apart.sign() + self.losses.l2 * direction


def of_unit_size(pull_BCHW: Tensor) -> Tensor:
    """Each pull at a root mean square of 1, however small it is; no pull stays none."""
    most = pull_BCHW.abs().amax((1, 2, 3), keepdim=True)
    some = most > 0
    up_to_one = pull_BCHW / torch.where(some, most, 1)  # whose squares do not vanish
    return up_to_one / torch.where(some, up_to_one.square().mean((1, 2, 3), keepdim=True).sqrt(), 1)


@torch.enable_grad()
def gradient(loss: Loss, x_BCHW: Tensor) -> Tensor:
    """Of each picture's loss by the picture."""
    x_BCHW = x_BCHW.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(loss(x_BCHW).sum(), x_BCHW)
    return found

"""An image at its own size and the one that the denoiser changes, smaller or larger; how one follows from the other.

Where the two sizes are one, the changed image is what the denoiser made. Else it is that, resized, and the finer
detail of the source is laid on it wherever nothing was changed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from counterfactory.classify.preparation import Preparation
from counterfactory.explain.answers import fitted, shown
from counterfactory.training.pictures import to_pixels, to_tensor

PLAIN = 0.25  # of a range of 2: a colour that changes by so much keeps nothing of the source's detail

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """A source as it is, and as the denoiser takes it."""

    picture: Image.Image
    source: Tensor  # (3, h, w), from -1 to 1

    @property
    def is_whole(self) -> bool:
        """Whether the denoiser takes images of just this size."""
        return self.picture.size == (self.source.shape[2], self.source.shape[1])

    def painted(self, changed: Tensor) -> Image.Image:
        """The changed image (3, h, w) at the source's own size."""
        as_it_is = Preparation(size=self.picture.size)
        colours = with_detail(changed[None], self.source[None], self.detail(as_it_is)[None], as_it_is)
        return Image.fromarray(to_pixels(2 * colours - 1)[0])

    def detail(self, preparation: Preparation) -> Tensor:
        """What the denoiser does not see of the source, as a network with this preparation does (3, H, W)."""
        coarse = fitted(shown(self.source[None]), preparation)[0]
        if self.is_whole:
            return torch.zeros_like(coarse)
        fine = torch.tensor(preparation.array(self.picture)).permute(2, 0, 1).to(coarse) / 255
        return fine - coarse


def open_canvas(picture: Image.Image, size: Size, like: Tensor) -> Canvas:
    """The canvas of an RGB picture for a denoiser of this size; pixels are averaged where it is smaller."""
    is_smaller = size[0] <= picture.width and size[1] <= picture.height
    resized = picture.resize(size, Image.Resampling.BOX if is_smaller else Image.Resampling.BICUBIC)
    return Canvas(picture=picture, source=to_tensor(np.asarray(resized)[None])[0].to(like))


def with_detail(changed: Tensor, source: Tensor, detail: Tensor, preparation: Preparation) -> Tensor:
    """Changed pictures (B, 3, h, w) as colours from 0 to 1 in a network's size, with the detail that is still true.

    What was made of a grey source is grey, whatever the denoiser draws.
    """
    is_grey = (source == source[:, :1]).flatten(1).all(1)[:, None, None, None]
    changed = torch.where(is_grey, changed.mean(1, keepdim=True), changed)
    colours = fitted(shown(changed), preparation)
    change = (changed - source).abs().amax(1, keepdim=True)
    true = 1 - functional.max_pool2d(change, 3, stride=1, padding=1).div(PLAIN).clamp(0, 1)
    return (colours + fitted(true, preparation) * detail).clamp(0, 1)

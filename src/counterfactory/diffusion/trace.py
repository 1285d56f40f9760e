"""The trace of a picture that is left in the noise where training ends, and with which a drawing begins.

At their last time most schedules leave some signal, and of a picture's mean over many pixels enough to be read:
networks learn to trust it. Noise alone has a mean of zero there, so that all drawings come out of a like brightness
(Lin et al. 2023). Here the trace is drawn from a normal distribution: each class's mean look, and how pictures differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

GRID = 4  # cells on a side of a look: finer parts drown in the noise
AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """How latents of each class look from afar."""

    means: Tensor  # (classes, C, GRID, GRID)
    root: Tensor  # (C * GRID * GRID, the same) of the covariance within classes

    def drawn(self, label: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """The coarse latents (1, C, height, width) of one possible picture."""
        mean = self.means[label]
        look = mean + (self.root @ torch.randn(len(self.root), generator=generator)).reshape(mean.shape)
        return functional.interpolate(look[None], tuple(size), mode="bilinear")


def traced(latents: np.ndarray, rows: np.ndarray, labels: np.ndarray, channels: int) -> Trace:
    """The trace of the rows of latents (N, C or more, h, w), each of a class of which there is at least one."""
    seen = [_look(latents[rows[start : start + AT_ONCE], :channels]) for start in range(0, len(rows), AT_ONCE)]
    looks_ND = torch.cat(seen).flatten(1)
    classes = torch.from_numpy(labels).long()
    means = torch.stack([looks_ND[classes == label].mean(0) for label in range(int(classes.max()) + 1)])
    apart = looks_ND - means[classes]
    values, vectors = torch.linalg.eigh(apart.T @ apart / len(apart))
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return Trace(means=means.reshape(-1, channels, GRID, GRID).float(), root=root.float().contiguous())


def _look(latents: np.ndarray) -> Tensor:
    return functional.adaptive_avg_pool2d(torch.from_numpy(latents).double(), GRID)

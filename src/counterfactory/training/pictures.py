"""Pictures as networks see them, tensors (B, 3, H, W) from -1 to 1, and as files hold them."""

import numpy as np
import torch
from torch import Tensor


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Pictures (B, H, W, 3) of 8 bits as a tensor (B, 3, H, W) from -1 to 1."""
    return torch.tensor(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_pixels(x_BCHW: Tensor) -> np.ndarray:
    """Pictures from -1 to 1 as (B, H, W, 3) of 8 bits, rounded and not cut."""
    scaled = x_BCHW.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()

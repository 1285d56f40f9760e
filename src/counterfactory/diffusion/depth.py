"""How near things are in a picture, by any depth model of transformers: white is nearest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from counterfactory.training.loading import loading
from counterfactory.worker import Worker


@dataclass(frozen=True, kw_only=True, eq=False)
class DepthModel:
    """A network that guesses depth, and how its folder wants pictures."""

    network: Any
    prepare: Any

    @torch.no_grad()
    def depth_of(self, picture: np.ndarray) -> np.ndarray:
        """Grey depth (H, W) of a picture (H, W, 3), both of 8 bits; from its farthest to its nearest."""
        shown = self.prepare(images=[Image.fromarray(picture)], return_tensors="pt").pixel_values
        said = self.network(shown.to(self.network.device, self.network.dtype)).predicted_depth.float()
        depth = functional.interpolate(said[:, None], size=picture.shape[:2], mode="bicubic", align_corners=False)[0, 0]
        depth = (depth - depth.min()) / (depth.max() - depth.min()).clamp(min=1e-6)
        return (depth * 255).round().to("cpu", torch.uint8).numpy()


def open_depth_model(folder: Path, worker: Worker) -> DepthModel:
    """The depth model in a folder of transformers, in 32 bits."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    networks: Any = AutoModelForDepthEstimation
    processors: Any = AutoImageProcessor
    with loading(folder):
        network = networks.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
        prepare = processors.from_pretrained(folder, trust_remote_code=False)
    return DepthModel(network=network.float().to(worker.device).eval().requires_grad_(False), prepare=prepare)

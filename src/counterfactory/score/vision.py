"""Any vision model of transformers, or FID's Inception, as eyes: one vector a picture, or the maps of its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel

from counterfactory.errors import BadConfig
from counterfactory.score.inception import WEIGHTS, enlarged, open_inception
from counterfactory.training.loading import CONFIG, loading


@dataclass(frozen=True, kw_only=True, eq=False)
class Eyes:
    """A network on its device, and how it wants its pictures."""

    network: Any
    processor: Any
    has_pooler: bool

    @property
    def tower(self) -> Any:
        """The half that sees, of a model of pictures and words; else the model."""
        return getattr(self.network, "vision_model", self.network)

    @torch.no_grad()
    def features(self, pictures: Sequence[Image.Image]) -> Tensor:
        """One vector (B, D) a picture: the model's own summary, or the mean over its positions where it has none."""
        if hasattr(self.network, "get_image_features"):  # a model of pictures and words
            found = self.network.get_image_features(pixel_values=self._seen(pictures))
            return _vectors(found if isinstance(found, Tensor) else found.pooler_output)
        said = self.network(pixel_values=self._seen(pictures))
        pooled = said.get("pooler_output") if self.has_pooler else None
        return _vectors(_positions(said.last_hidden_state).mean(1) if pooled is None else pooled)

    @torch.no_grad()
    def perceived(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Vectors (B, D) whose squared distances are perceptual (as LPIPS, Zhang et al. 2018, with equal weights).

        Every position of every layer has length 1; positions and layers count as means, so that two pictures are
        between 0 and 4 apart.
        """
        said = self.tower(pixel_values=self._seen(pictures), output_hidden_states=True)
        layers = [functional.normalize(_positions(one).float(), dim=2) for one in said.hidden_states[1:]]
        parts = [one.flatten(1) / (one.shape[1] * len(layers)) ** 0.5 for one in layers]
        return torch.cat(parts, dim=1).cpu()

    def _seen(self, pictures: Sequence[Image.Image]) -> Tensor:
        pixels: Tensor = self.processor(list(pictures), return_tensors="pt").pixel_values
        return pixels.to(self.network.device, self.network.dtype)


def open_eyes(folder: Path, device: str, dtype: torch.dtype = torch.float32) -> Eyes:
    """The vision model in a folder of transformers, or FID's Inception; weights that are not all there are refused."""
    if (folder / WEIGHTS).exists() and not (folder / CONFIG).exists():
        inception: Any = open_inception(folder).to(device, dtype).eval().requires_grad_(False)
        return Eyes(network=inception, processor=enlarged, has_pooler=True)
    processors: Any = AutoImageProcessor
    with loading(folder):
        network, told = AutoModel.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=dtype, output_loading_info=True
        )
        processor = processors.from_pretrained(folder, trust_remote_code=False, backend="pil")
    lost = [name for name in told["missing_keys"] if "pooler" not in name]
    if lost:
        raise BadConfig(
            f"{folder} lacks weights of its model ({lost[0]} and {len(lost) - 1} more); save it as a whole."
        )
    network = network.to(device).eval().requires_grad_(False)
    return Eyes(network=network, processor=processor, has_pooler=not told["missing_keys"])


def _positions(said: Tensor) -> Tensor:
    """Positions and channels (B, P, C) of a layer's maps (B, C, H, W), or of tokens as they are."""
    return said.flatten(2).transpose(1, 2) if said.ndim == 4 else said


def _vectors(said: Tensor) -> Tensor:
    return said.float().flatten(1).cpu()

"""What looks at image prompts: the picture's half of a CLIP model, and how pictures are prepared for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPVisionModelWithProjection

from counterfactory.names import model_folder

ENCODER = "image_encoder"  # where `load_ip_adapter` of diffusers looks for it, in the adapter's folder
PREPARATION = "preprocessor_config.json"
BATCH = 64


def load_image_encoder(name: str, device: str) -> Any:
    """The encoder from a folder or hub id, for use: of a whole CLIP model, or of this half alone."""
    folder = model_folder(name)
    encoders: Any = CLIPVisionModelWithProjection
    if json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type") == "clip":
        network = _half(folder, encoders)
    else:
        network = encoders.from_pretrained(folder, use_safetensors=True)
    if (folder / PREPARATION).exists():
        said = json.loads((folder / PREPARATION).read_text(encoding="utf-8"))
        _expect_clips_own(network, said["image_mean"], said["image_std"])
    return network.float().to(device).eval().requires_grad_(False)


@torch.no_grad()
def embedded(encoder: Any, pixels: np.ndarray) -> Tensor:
    """What the encoder says (B, D) of pictures (B, H, W, 3) of 8 bits, prepared as plain diffusers prepares them."""
    prepare = _preparation(encoder.config.image_size)
    parts = []
    for start in range(0, len(pixels), BATCH):
        images = [Image.fromarray(one) for one in pixels[start : start + BATCH]]
        shown = prepare(images, return_tensors="pt").pixel_values.to(encoder.device, encoder.dtype)
        parts.append(encoder(shown).image_embeds)
    return torch.cat(parts)


def _preparation(side: int | None = None) -> Any:
    processors: Any = CLIPImageProcessorPil
    return processors() if side is None else processors(size=side, crop_size=side)


def _half(folder: Path, encoders: Any) -> Any:
    whole: Any = CLIPModel.from_pretrained(folder, use_safetensors=True)
    whole.config.vision_config.projection_dim = whole.config.projection_dim
    network = encoders(whole.config.vision_config)
    known = whole.state_dict()
    network.load_state_dict({key: known[key] for key in network.state_dict()})
    return network


@torch.no_grad()
def _expect_clips_own(network: Any, mean: list[float], deviation: list[float]) -> None:
    """Makes an encoder that learnt from pictures of another mean and deviation see the same in CLIP's own.

    Diffusers prepares image prompts with CLIP's numbers, whatever the encoder's folder says. Its first layer is linear
    and has no padding, so the difference goes into its weights and into what is added at each place.
    """
    clip = _preparation()
    ours, theirs = (torch.tensor([m, d]) for m, d in ((mean, deviation), (clip.image_mean, clip.image_std)))
    embeddings = network.vision_model.embeddings
    first = embeddings.patch_embedding.weight
    shift = (theirs[0] - ours[0]) / ours[1]
    moved = (first * shift[:, None, None]).sum((1, 2, 3))
    embeddings.position_embedding.weight[1:] += moved  # the first place is the summary's, which sees no pixels
    first *= (theirs[1] / ours[1])[:, None, None]

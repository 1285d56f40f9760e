"""Lets a BLIP see with a CLIP's eyes: the same weights under BLIP's names, and what BLIP lacks folded into others.

CLIP normalises its tokens before the first layer and BLIP does not. A normalisation takes off the mean over the
channels, which is linear and so exact in the weights, and divides by the deviation, here by its mean over pictures.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModel

from counterfactory.errors import BadConfig
from counterfactory.training.loading import kind_of, loading

NAMES = {  # theirs and ours
    "self_attn.out_proj": "self_attn.projection",
    **{name: name for name in ("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2")},
}


@torch.no_grad()
def adopt(vision: Any, folder: Path, x_BCHW: Tensor) -> None:
    """Overwrites a BLIP's vision model with what a CLIP folder's has learnt; `x_BCHW` are some pictures."""
    kind_of(folder, ("clip",))
    with loading(folder):
        clip: Any = CLIPVisionModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        prepared = CLIPImageProcessorPil.from_pretrained(folder)
    _expect_one_shape(vision.config, clip.config, folder)
    if [*prepared.image_mean, *prepared.image_std] != [0.5] * 6:
        raise BadConfig(f"start: the CLIP in {folder} does not see pictures from -1 to 1, as the captioner does.")
    known = {name.removeprefix("vision_model."): tensor for name, tensor in clip.state_dict().items()}
    taken = _embeddings(known, x_BCHW)
    for part in ("weight", "bias"):
        taken[f"post_layernorm.{part}"] = known[f"post_layernorm.{part}"]
        for number in range(vision.config.num_hidden_layers):
            layer = f"encoder.layers.{number}"
            three = [known[f"{layer}.self_attn.{name}_proj.{part}"] for name in "qkv"]
            taken[f"{layer}.self_attn.qkv.{part}"] = torch.cat(three)
            for theirs, ours in NAMES.items():
                taken[f"{layer}.{ours}.{part}"] = known[f"{layer}.{theirs}.{part}"]
    vision.load_state_dict(taken)


def _embeddings(known: dict[str, Tensor], x_BCHW: Tensor) -> dict[str, Tensor]:
    """BLIP's embeddings such that its first layer sees about what CLIP's saw behind its normalisation."""
    patches, places = known["embeddings.patch_embedding.weight"], known["embeddings.position_embedding.weight"]
    gain, shift = known["pre_layrnorm.weight"], known["pre_layrnorm.bias"]
    first = known["embeddings.class_embedding"] + places[0]
    seen = torch.conv2d(x_BCHW.to(patches), patches, stride=patches.shape[-1]).flatten(2).transpose(1, 2) + places[1:]
    deviation = seen.std(2, correction=0).mean()
    places = gain * (places - places.mean(1, keepdim=True)) / deviation + shift
    places[0] = gain * (first - first.mean()) / first.std(correction=0) + shift
    return {
        "embeddings.patch_embedding.weight": gain[:, None, None, None] * (patches - patches.mean(0)) / deviation,
        "embeddings.patch_embedding.bias": torch.zeros_like(gain),
        "embeddings.position_embedding": places[None],
        "embeddings.class_embedding": torch.zeros_like(first)[None, None],
    }


def _expect_one_shape(ours: Any, theirs: Any, folder: Path) -> None:
    names = ("image_size", "patch_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    for name in names:
        if getattr(ours, name) != getattr(theirs, name):
            raise BadConfig(
                f"start: the CLIP in {folder} has {name} {getattr(theirs, name)}, the captioner {getattr(ours, name)}; "
                "give the captioner the same shape, or leave `start` out."
            )

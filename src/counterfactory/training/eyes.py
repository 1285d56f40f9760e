"""Lets a BLIP see with a CLIP's eyes, and the other way round: the same weights under other names.

CLIP normalises its tokens before the first layer and BLIP does not. What one has and the other lacks is folded into
other weights: exactly where it is linear, and else so that it is right for some pictures on average.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BlipForConditionalGeneration, CLIPImageProcessorPil, CLIPVisionModel

from counterfactory.errors import BadConfig
from counterfactory.training.loading import kind_of, loading

PARTS = ("weight", "bias")
SAME = ("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2")  # of each layer
OUT = ("self_attn.out_proj", "self_attn.projection")  # CLIP's and BLIP's
SHAPE = ("image_size", "patch_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@torch.no_grad()
def see_as_clip(vision: Any, folder: Path, x_BCHW: Tensor) -> None:
    """Overwrites a BLIP's vision model with what a CLIP folder's has learnt; `x_BCHW` are some pictures."""
    known = _known(vision, folder, "clip", CLIPVisionModel)
    taken = _without_norm(known, x_BCHW) | _kept(known)
    for layer, part in _places(vision):
        three = [known[f"{layer}.self_attn.{name}_proj.{part}"] for name in "qkv"]
        taken[f"{layer}.self_attn.qkv.{part}"] = torch.cat(three)
        taken[f"{layer}.{OUT[1]}.{part}"] = known[f"{layer}.{OUT[0]}.{part}"]
    vision.load_state_dict(taken)


@torch.no_grad()
def see_as_blip(vision: Any, folder: Path, x_BCHW: Tensor) -> None:
    """Overwrites a CLIP's vision model with what a BLIP folder's has learnt; `x_BCHW` are some pictures."""
    known = _known(vision, folder, "blip", BlipForConditionalGeneration)
    taken = _with_norm(known, x_BCHW) | _kept(known)
    for layer, part in _places(vision):
        three = known[f"{layer}.self_attn.qkv.{part}"].chunk(3)
        taken |= {f"{layer}.self_attn.{name}_proj.{part}": each for name, each in zip("qkv", three, strict=True)}
        taken[f"{layer}.{OUT[0]}.{part}"] = known[f"{layer}.{OUT[1]}.{part}"]
    vision.load_state_dict(taken)


def _known(vision: Any, folder: Path, kind: str, model: Any) -> dict[str, Tensor]:
    """The weights of the folder's eyes, which must be of the same shape and see the same pixels."""
    kind_of(folder, (kind,))
    with loading(folder):
        theirs = model.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        theirs = getattr(theirs, "vision_model", theirs)
        prepared = CLIPImageProcessorPil.from_pretrained(folder)
    for name in SHAPE:
        ours, other = getattr(vision.config, name), getattr(theirs.config, name)
        if ours != other:
            raise BadConfig(
                f"start: the eyes in {folder} have {name} {other}, those that begin with them {ours}; "
                "give them the same shape, or leave `start` out."
            )
    if [*prepared.image_mean, *prepared.image_std] != [0.5] * 6:
        raise BadConfig(f"start: the eyes in {folder} do not see pictures from -1 to 1, as ours do.")
    return dict(theirs.state_dict())


def _places(vision: Any) -> list[tuple[str, str]]:
    return [(f"encoder.layers.{n}", part) for n in range(vision.config.num_hidden_layers) for part in PARTS]


def _kept(known: dict[str, Tensor]) -> dict[str, Tensor]:
    """What both call by the same name."""
    same = tuple(f".{name}." for name in SAME)
    return {
        name: tensor
        for name, tensor in known.items()
        if name.startswith("post_layernorm.") or any(part in name for part in same)
    }


def _without_norm(known: dict[str, Tensor], x_BCHW: Tensor) -> dict[str, Tensor]:
    """BLIP's embeddings such that its first layer sees about what CLIP's saw behind its normalisation.

    A normalisation takes off the mean over the channels, which is linear, and divides by the deviation, here by its
    mean over pictures.
    """
    patches, places = known["embeddings.patch_embedding.weight"], known["embeddings.position_embedding.weight"]
    gain, shift = known["pre_layrnorm.weight"], known["pre_layrnorm.bias"]
    first = known["embeddings.class_embedding"] + places[0]
    seen = _patches(x_BCHW, patches) + places[1:]
    deviation = seen.std(2, correction=0).mean()
    places = gain * (places - places.mean(1, keepdim=True)) / deviation + shift
    places[0] = gain * (first - first.mean()) / first.std(correction=0) + shift
    return {
        "embeddings.patch_embedding.weight": gain[:, None, None, None] * (patches - patches.mean(0)) / deviation,
        "embeddings.patch_embedding.bias": torch.zeros_like(gain),
        "embeddings.position_embedding": places[None],
        "embeddings.class_embedding": torch.zeros_like(first)[None, None],
    }


def _with_norm(known: dict[str, Tensor], x_BCHW: Tensor) -> dict[str, Tensor]:
    """CLIP's embeddings, and a normalisation that leaves each channel as near as it can to what it was."""
    patches, bias = (known[f"embeddings.patch_embedding.{part}"] for part in PARTS)
    places, first = known["embeddings.position_embedding"][0], known["embeddings.class_embedding"][0, 0]
    places = torch.cat([places[:1], places[1:] + bias])
    seen = (_patches(x_BCHW, patches) + places[1:]).flatten(0, 1)
    normal = functional.layer_norm(seen, seen.shape[1:])
    gain = ((normal - normal.mean(0)) * (seen - seen.mean(0))).mean(0) / normal.var(0, correction=0)
    return {
        "embeddings.patch_embedding.weight": patches,
        "embeddings.position_embedding.weight": places,
        "embeddings.class_embedding": first,
        "pre_layrnorm.weight": gain,
        "pre_layrnorm.bias": seen.mean(0) - gain * normal.mean(0),
    }


def _patches(x_BCHW: Tensor, weight: Tensor) -> Tensor:
    """Tokens (B, T, D) of pictures, without a bias."""
    return torch.conv2d(x_BCHW.to(weight), weight, stride=weight.shape[-1]).flatten(2).transpose(1, 2)

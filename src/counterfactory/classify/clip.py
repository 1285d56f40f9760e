"""CLIP's image tower with a linear head: read from a CLIP checkpoint, saved in a form of its own, and read back.

`CLIPForImageClassification` averages patch tokens and so cannot hold what CLIP itself scores with (the projected,
normalised class token). A saved folder is therefore a plain `CLIPVisionModelWithProjection` with `head.safetensors`
(weight, bias, scale) and `head.json` (classes, problem type) beside it: logits = scale (f / |f|) weight' + bias.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from counterfactory.classify.preparation import Preparation
from counterfactory.errors import BadConfig
from counterfactory.training.loading import loading, read_json

PROMPT = "a photo of a {}"
SAID, TENSORS = "head.json", "head.safetensors"


class CosineHead(nn.Module):
    """Logits from features by their direction alone."""

    scale: Tensor

    def __init__(self, weight_CD: Tensor, bias_C: Tensor, scale: Tensor):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight_CD), nn.Parameter(bias_C)
        self.register_buffer("scale", scale)

    def forward(self, features_BD: Tensor) -> Tensor:
        return self.scale * functional.linear(functional.normalize(features_BD, dim=1), self.weight) + self.bias


@dataclass(frozen=True, eq=False)
class Clip:
    """The tower and the head."""

    tower: Any
    head: CosineHead

    def features(self, x_BCHW: Tensor) -> Tensor:
        """The tower's projected class tokens (B, D); nothing in it learns, and gradients of pictures go through."""
        embeds: Tensor = self.tower(pixel_values=x_BCHW).image_embeds
        return embeds


def read_clip(folder: Path, classes: tuple[str, ...], preparation: Preparation) -> Clip:
    """A CLIP checkpoint as a classifier: the head starts as the class names' normalised text embeddings."""
    from transformers import CLIPModel, CLIPTokenizer

    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind != "clip":
        raise BadConfig(f"{folder.name} is a {kind!r} model; clip-head needs a CLIP checkpoint with image and text.")
    with loading(folder):
        clip: Any = CLIPModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    edge = clip.config.vision_config.image_size
    if preparation.size != (edge, edge):
        raise BadConfig(
            f"{folder.name} takes images of {edge} x {edge} pixels, not {preparation.size}; leave `size` out."
        )
    clip.eval()
    texts = tokenizer([PROMPT.format(name) for name in classes], padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        weight = functional.normalize(clip.get_text_features(**texts).pooler_output, dim=1)
        scale = clip.logit_scale.exp()
    head = CosineHead(weight.clone(), torch.zeros(len(classes)), scale.detach().clone())
    return Clip(_still(_tower(clip)), head)


def save_clip(clip: Clip, labels: dict[str, Any], folder: Path) -> None:
    """Leaves a folder that needs no other."""
    clip.tower.save_pretrained(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in clip.head.state_dict().items()}
    save_file(tensors, folder / TENSORS)
    (folder / SAID).write_text(json.dumps(labels, indent=2) + "\n", encoding="utf-8")


def load_clip(folder: Path) -> tuple[Clip, dict[str, Any]]:
    """What `save_clip` left, and what its head is called."""
    from transformers import CLIPVisionModelWithProjection

    with loading(folder):
        tower = CLIPVisionModelWithProjection.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        tensors = load_file(folder / TENSORS)
        head = CosineHead(tensors["weight"], tensors["bias"], tensors["scale"])
    labels = read_json(folder / SAID)
    return Clip(_still(tower), head), labels


def _tower(clip: Any) -> Any:
    """The image side of a CLIP, as the class that saves and loads it alone."""
    from transformers import CLIPVisionModelWithProjection

    config = clip.config.vision_config
    config.projection_dim = clip.config.projection_dim  # the part's own may be a default
    tower = CLIPVisionModelWithProjection(config)
    tower.load_state_dict({name: tensor for name, tensor in clip.state_dict().items() if name.startswith("vis")})
    return tower


def _still(tower: Any) -> Any:
    tower.eval()
    return tower.requires_grad_(False)

"""A saved segmenter, ready to be asked: any checkpoint of `AutoModelForSemanticSegmentation`, ours among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.classify.labels import names_of
from counterfactory.classify.preparation import Preparation, read_preparation
from counterfactory.classify.safe import refuse_halves, refuse_pickles
from counterfactory.training.loading import loading


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmenter:
    """Normalised images in, logits of each class out, at the network's own resolution."""

    module: Any
    classes: tuple[str, ...] | None  # none where it has no names for them
    outputs: int
    preparation: Preparation


def open_segmenter(folder: Path, device: str, dtype: torch.dtype) -> Segmenter:
    """The segmenter in a folder."""
    from transformers import AutoModelForSemanticSegmentation

    refuse_pickles(folder)
    with loading(folder):
        module, told = AutoModelForSemanticSegmentation.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    refuse_halves(folder, told["missing_keys"])
    numbered = sorted((int(number), name) for number, name in module.config.id2label.items())
    return Segmenter(
        module=module.to(device, dtype).eval(),
        classes=names_of([name for _, name in numbered]),
        outputs=len(numbered),
        preparation=read_preparation(folder),
    )


def sized(logits_BCHW: Tensor, size: Sequence[int]) -> Tensor:
    """Logits or probabilities at another height and width."""
    if logits_BCHW.shape[2:] == torch.Size(size):
        return logits_BCHW
    return functional.interpolate(logits_BCHW, tuple(size), mode="bilinear", align_corners=False)

"""The folder that a trained classifier is: what `from_pretrained` loads, its preparation and its temperature."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterfactory.classify import clip
from counterfactory.classify.cifar_resnet import register
from counterfactory.classify.networks import Logits, Network
from counterfactory.classify.preparation import Preparation, read_preparation, write_preparation
from counterfactory.classify.safe import refuse_halves
from counterfactory.errors import BadConfig
from counterfactory.training.loading import loading, quiet, read_json

CALIBRATION = "calibration.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """A trained classifier, ready to be asked."""

    network: nn.Module  # normalised images to logits; gradients go through it where they are wanted
    classes: tuple[str, ...]
    preparation: Preparation
    temperature: float
    has_several_labels: bool

    @torch.inference_mode()
    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, C) of normalised images."""
        logits: Tensor = self.network(x_BCHW)
        return logits

    def probabilities(self, logits_BC: Tensor) -> Tensor:
        """What the logits say, as sure as the classifier may be."""
        calibrated = logits_BC.float() / self.temperature
        return calibrated.sigmoid() if self.has_several_labels else calibrated.softmax(1)


def save(network: Network, labels: dict[str, Any], temperature: float, folder: Path) -> None:
    """Leaves a folder that needs no other; LoRA adapters become part of the weights."""
    network.to("cpu", torch.contiguous_format)
    if isinstance(network.whole, clip.Clip):
        clip.save_clip(network.whole, labels, folder)
    else:
        whole = network.whole.merge_and_unload() if hasattr(network.whole, "merge_and_unload") else network.whole
        with quiet():
            whole.save_pretrained(folder)
    write_preparation(network.preparation, folder)
    (folder / CALIBRATION).write_text(json.dumps({"temperature": temperature}) + "\n", encoding="utf-8")


def load(folder: Path, device: str, dtype: torch.dtype) -> Classifier:
    """A classifier of ours, or any image classification checkpoint."""
    module, labels = _clip(folder) if (folder / clip.SAID).exists() else _transformers(folder)
    module = module.to(device, dtype).eval()
    return Classifier(
        network=module.requires_grad_(False),
        classes=tuple(name for _, name in sorted((int(number), name) for number, name in labels["id2label"].items())),
        preparation=read_preparation(folder),
        temperature=_temperature(folder),
        has_several_labels=labels["problem_type"] == "multi_label_classification",
    )


def _temperature(folder: Path) -> float:
    """What logits are divided by; 1 for a checkpoint that was never calibrated."""
    said = read_json(folder / CALIBRATION).get("temperature") if (folder / CALIBRATION).exists() else 1.0
    if not isinstance(said, int | float) or not 0 < said < math.inf:
        raise BadConfig(f"{folder / CALIBRATION} holds the temperature {said!r}; expected a number above 0.")
    return said


class _ClipLogits(nn.Module):
    """The tower and the head as one network."""

    def __init__(self, whole: clip.Clip):
        super().__init__()
        self.whole, self.tower, self.head = whole, whole.tower, whole.head

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.head(self.whole.features(x_BCHW))
        return logits


def _clip(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    whole, labels = clip.load_clip(folder)
    return _ClipLogits(whole), labels


def _transformers(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    from transformers import AutoModelForImageClassification

    register()
    with loading(folder):
        whole, told = AutoModelForImageClassification.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    refuse_halves(folder, told["missing_keys"])
    labels = {"id2label": whole.config.id2label, "problem_type": whole.config.problem_type}
    return Logits(whole), labels

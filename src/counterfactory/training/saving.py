"""Writes trained networks in half precision, in folders that plain diffusers and transformers load without a word."""

import copy
import json
from pathlib import Path
from typing import Any

import torch


def save_half(network: Any, folder: Path) -> None:
    """A network's weights in 16 bits; it is loaded in 32 unless someone asks for less."""
    copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).half().save_pretrained(folder)
    path = folder / "config.json"
    said = json.loads(path.read_text())
    said.pop("_name_or_path", None)  # where it lay once is nobody's business and would part equal models
    if "dtype" in said:
        for part in (said, *(part for part in said.values() if isinstance(part, dict) and "model_type" in part)):
            part["dtype"] = "float32"  # else transformers takes 16 bits where diffusers, beside it, takes 32
    if said.get("_class_name") == "AutoencoderTiny":
        said.pop(
            "block_out_channels", None
        )  # diffusers writes it, derives it when it reads, and warns that it is there
    path.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")

"""Writes trained networks in half precision, in folders that plain diffusers and transformers load without a word."""

import copy
import json
from pathlib import Path
from typing import Any

import torch

from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.text import save_tokenizer


def save_half(network: Any, folder: Path) -> None:
    """A network's weights in 16 bits; it is loaded in 32 unless someone asks for less."""
    copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).half().save_pretrained(folder)
    path = folder / "config.json"
    said = json.loads(path.read_text())
    if "dtype" in said:
        said["dtype"] = "float32"  # else transformers takes 16 bits where diffusers, beside it, takes 32
    if said.get("_class_name") == "AutoencoderTiny":
        said.pop(
            "block_out_channels", None
        )  # diffusers writes it, derives it when it reads, and warns that it is there
    path.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")


def save_pipeline(parts: Parts, folder: Path) -> None:
    """All parts as the folder of a `StableDiffusionPipeline`."""
    from diffusers import StableDiffusionPipeline

    pipelines: Any = StableDiffusionPipeline
    pipeline = pipelines(
        unet=parts.unet,
        vae=parts.autoencoder,
        text_encoder=parts.text_encoder,
        tokenizer=parts.tokenizer,
        scheduler=parts.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    folder.mkdir(parents=True, exist_ok=True)
    pipeline.save_config(folder)
    save_half(parts.unet, folder / "unet")
    save_half(parts.autoencoder, folder / "vae")
    save_half(parts.text_encoder, folder / "text_encoder")
    save_tokenizer(parts.tokenizer, folder / "tokenizer")
    parts.scheduler.save_pretrained(folder / "scheduler")

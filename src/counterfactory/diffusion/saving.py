"""Writes the parts of a pipeline as one folder."""

from pathlib import Path
from typing import Any

from counterfactory.diffusion.drawing import Parts
from counterfactory.training.saving import save_half
from counterfactory.training.tokenizer import save_tokenizer


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

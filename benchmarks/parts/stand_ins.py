"""A pipeline as large as a real one, with random weights, and how two ways of drawing are timed and compared."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from counterfactory.diffusion import latent
from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.saving import save_pipeline
from counterfactory.training.tokenizer import learn_tokenizer
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

TOLERANCE = {"float32": 1, "bfloat16": 24}  # of 255, of the 99th hundredth of a picture's pixels


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What came of some work, its seconds and those of the processor."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = work()  # files are written: whatever a device does is done
    return result, time.perf_counter() - began, time.process_time() - began_cpu


def agreement(ours: Sequence[Sample | Failed], theirs: Sequence[np.ndarray], worker: Worker) -> dict[str, Any]:
    """How far the pictures of both ways are from each other; stops where that is too far."""
    failed = [one for one in ours if isinstance(one, Failed)]
    assert not failed, failed[0].reason
    drawn = [np.asarray(worker.pixels.image(one.image), np.int16) for one in ours if isinstance(one, Sample)]
    apart = [np.abs(one - other) for one, other in zip(drawn, theirs, strict=True)]
    ordinary = float(np.percentile(np.stack(apart), 99))
    assert ordinary <= TOLERANCE[worker.dtype], f"the two ways draw differently: {ordinary} of 255"
    return {
        "apart_of_255_at_99_percent": ordinary,
        "apart_of_255_at_most": int(max(one.max() for one in apart)),
        "tolerance_at_99_percent": TOLERANCE[worker.dtype],
    }


def stable_diffusion(folder: Path) -> None:
    """Stable Diffusion 1.5's shapes with random weights, in latents of 64."""
    torch.manual_seed(0)
    tokenizer = learn_tokenizer([sample.caption or "" for sample in seen_scenes("train", 200).samples], 1000, 77)
    unet = diffusers.UNet2DConditionModel(
        sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280)
    )
    pictures = diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=512, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    texts = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
            num_attention_heads=12, max_position_embeddings=77, projection_dim=768, eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    scheduler = diffusers.PNDMScheduler(**latent.NOISING, skip_prk_steps=True, steps_offset=1)
    parts = Parts(unet=unet, autoencoder=pictures, text_encoder=texts, tokenizer=tokenizer, scheduler=scheduler)
    save_pipeline(parts, folder)

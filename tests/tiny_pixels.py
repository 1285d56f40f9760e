"""Diffusion models of pixels with random weights that draw in a blink: of classes, of none, and as others save them."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel

from counterfactory.diffusion.pixel import save


def network(labels: int | None = None, channels: int = 3, **more: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = UNet2DModel(
            sample_size=8,
            in_channels=channels,
            out_channels=more.pop("out_channels", channels),
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            attention_head_dim=8,
            norm_num_groups=4,
            num_class_embeds=labels,
            **more,
        )
    return made.eval().requires_grad_(False)


def scheduler(**more: Any) -> Any:
    return DDPMScheduler(num_train_timesteps=50, beta_schedule="squaredcos_cap_v2", **more)


def save_tiny(folder: Path, labels: int | None = None, prediction: str = "epsilon", **more: Any) -> Path:
    """The folder of a `DDPMPipeline`."""
    learnt = {"variance_type": "learned_range"} if more.get("out_channels") == 6 else {}
    save(network(labels, **more), scheduler(prediction_type=prediction, **learnt), folder)
    return folder

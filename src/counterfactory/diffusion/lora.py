"""Low-rank changes of a denoising network's attention (Hu et al. 2022), on disk as `load_lora_weights` reads them."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for

WEIGHTS = "pytorch_lora_weights.safetensors"  # diffusers' own name
CHANGED = ["to_q", "to_k", "to_v", "to_out.0"]


def learning_lora(unet: Any, rank: int, seed: int) -> nn.ParameterList:
    """The weights of a network's LoRA, which may learn: new ones that change nothing yet, or those that it has."""
    from peft import LoraConfig

    if not _names(unet):
        config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=CHANGED)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for("lora", seed))
            unet.add_adapter(config)
    weights = [unet.get_parameter(name) for name in _names(unet)]
    if (found := weights[0].shape[0]) != rank:
        raise BadConfig(f"rank: the adaptation that this one starts from has a LoRA of rank {found}; give the same.")
    return nn.ParameterList(weights).requires_grad_(True)


def save_lora(unet: Any, weights: nn.ParameterList, folder: Path) -> None:
    """Writes weights that are like those of a network's LoRA, in half precision."""
    named = zip(_names(unet), weights, strict=True)
    tensors = {f"unet.{name.replace('.default.', '.')}": weight.detach().cpu().half() for name, weight in named}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)


def load_lora(unet: Any, folder: Path, fused: bool) -> None:
    """Changes a network by the LoRA of a folder: its own weights, so that drawing costs no more, or beside them."""
    tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    unet.load_lora_adapter(tensors, prefix="unet", adapter_name="default")
    if fused:
        unet.fuse_lora()
        unet.unload_lora()


def _names(unet: Any) -> list[str]:
    """The parameters of a network's LoRA; the narrow side first."""
    return sorted(name for name, _ in unet.named_parameters() if ".lora_" in name)

"""The networks that denoise pixels: a `UNet2DModel` of our trainings' shapes, or as guided-diffusion trained it."""

from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file

from counterfactory.diffusion.flags import Flags, kept_flags
from counterfactory.diffusion.trainers import PixelNetwork
from counterfactory.errors import BadConfig

WEIGHTS = "guided_diffusion.safetensors"  # of a network that diffusers would take for another one


def unet(shapes: PixelNetwork, size: int, **more: Any) -> Any:
    """A network of that shape: half of what it says is noise, half variance."""
    networks: Any = UNet2DModel  # untyped in diffusers
    plain = "Resnet{}sampleBlock2D" if shapes.resample == "resnet" else "{}Block2D"
    kinds = ["Attn{}Block2D" if looks else plain for looks in shapes.attends]
    usual = {
        "sample_size": size,
        "in_channels": 3,
        "out_channels": 6,
        "down_block_types": [kind.format("Down") for kind in kinds],
        "up_block_types": [kind.format("Up") for kind in reversed(kinds)],
        "block_out_channels": shapes.channels,
        "layers_per_block": shapes.layers,
        "downsample_type": shapes.resample,
        "upsample_type": shapes.resample,
        "attention_head_dim": shapes.head_width,
        "norm_num_groups": shapes.groups,
        "attn_norm_num_groups": shapes.groups,
        "resnet_time_scale_shift": "scale_shift",
    }
    return networks(**{**usual, **more})


def guided_unet(flags: Flags, classes: int | None) -> Any:
    """A network as guided-diffusion builds it, without numbers yet; diffusers' settings do not say all of them."""
    said = {
        "out_channels": 6 if flags.learn_sigma else 3,
        "resnet_time_scale_shift": "scale_shift" if flags.use_scale_shift_norm else "default",
        "num_class_embeds": classes,
    }
    if not flags.is_plain:
        said["attention_head_dim"] = None  # no width fits every level: one head, until the next lines
    with torch.device("meta"):
        network = unet(flags.network, flags.image_size, **said)
    for module in network.modules():
        if isinstance(module, Attention):
            module.heads = module.sliceable_head_dim = flags.heads(module.inner_dim)
            module.scale = (module.inner_dim // module.heads) ** -0.5
    network.time_proj.scale = flags.time_scale
    return network


def open_network(folder: Path, dtype: torch.dtype) -> Any:
    """The denoising network of a folder in diffusers' format, or of a converted one."""
    flags = kept_flags(folder)
    if flags is None or flags.is_plain:
        networks: Any = UNet2DModel
        how = {"subfolder": "unet", "use_safetensors": True, "torch_dtype": dtype, "output_loading_info": True}
        network, found = networks.from_pretrained(str(folder), **how)
        if lost := found["missing_keys"]:
            raise BadConfig(f"{folder} lacks weights of its network ({lost[0]}); fetch or save the model again.")
        return network
    weights = load_file(folder / "unet" / WEIGHTS)
    named = weights.get("class_embedding.weight")
    network = guided_unet(flags, None if named is None else len(named))
    network.load_state_dict(weights, assign=True)
    return network.to(dtype)

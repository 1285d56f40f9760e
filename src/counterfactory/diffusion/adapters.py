"""An IP-Adapter's weights on disk, as `load_ip_adapter` of diffusers reads them."""

import os
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from counterfactory.diffusion.attention import TOKENS, Adapter, build_adapter, listeners
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder

WEIGHTS = "ip-adapter.safetensors"


def save_adapter(adapter: Adapter, folder: Path) -> None:
    """Writes the weights in half precision; layers are numbered as diffusers counts them, every other one."""
    tensors = {f"image_proj.{_theirs(name)}": tensor for name, tensor in adapter.projection.state_dict().items()}
    for number, layer in enumerate(adapter.layers):
        tensors |= {f"ip_adapter.{2 * number + 1}.{name}": tensor for name, tensor in layer.state_dict().items()}
    part = folder / "ip-adapter.part"
    save_file({name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}, part)
    os.replace(part, folder / WEIGHTS)


def load_adapter(name: str, unet: Any) -> Adapter:
    """The adapter of a folder or hub id, for a network that it fits."""
    path = model_folder(name) / WEIGHTS
    if not path.exists():
        raise BadConfig(f"{name} holds no IP-Adapter: expected a file {WEIGHTS} in it.")
    tensors = load_file(path, device=str(unet.device))
    widest = tensors.get("image_proj.proj.weight")
    if widest is None or widest.shape[0] != TOKENS * unet.config.cross_attention_dim:
        raise BadConfig(f"{path} is no plain IP-Adapter for texts of width {unet.config.cross_attention_dim}.")
    adapter = build_adapter(unet, widest.shape[1]).to(unet.device)
    expected = 2 * len(listeners(unet))
    if sum(key.startswith("ip_adapter.") for key in tensors) != expected:
        raise BadConfig(f"{path} was made for another network: this one has {expected} weights that look at images.")
    adapter.load_state_dict({_ours(key): tensor.float() for key, tensor in tensors.items()})
    return adapter.to(unet.dtype).eval().requires_grad_(False)


def _theirs(name: str) -> str:
    return name.replace("image_embeds", "proj")


def _ours(key: str) -> str:
    part, _, rest = key.partition(".")
    if part == "image_proj":
        return f"projection.{rest.replace('proj', 'image_embeds')}"
    number, _, weight = rest.partition(".")
    return f"layers.{int(number) // 2}.{weight}"

"""An IP-Adapter's weights on disk, as `load_ip_adapter` of diffusers reads them."""

import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from counterfactory.diffusion.attention import TOKENS, Adapter, build_adapter, listeners
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder

WEIGHTS = "ip-adapter.safetensors"
PUBLISHED = (
    "models/ip-adapter_sd15.safetensors",
    "sdxl_models/ip-adapter_sdxl.safetensors",
)  # in Ye et al.'s own folder
WIDEST = "image_proj.proj.weight"


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
    path = adapter_file(name, unet)
    tensors = load_file(path, device=str(unet.device))
    if not _fits(path, unet):
        raise BadConfig(f"{path} is no plain IP-Adapter for texts of width {unet.config.cross_attention_dim}.")
    adapter = build_adapter(unet, tensors[WIDEST].shape[1]).to(unet.device)
    expected = 2 * len(listeners(unet))
    if sum(key.startswith("ip_adapter.") for key in tensors) != expected:
        raise BadConfig(f"{path} was made for another network: this one has {expected} weights that look at images.")
    adapter.load_state_dict({_ours(key): tensor.float() for key, tensor in tensors.items()})
    return adapter.to(unet.dtype).eval().requires_grad_(False)


def adapter_file(name: str, unet: Any) -> Path:
    """The weights in a folder or hub id that fit a network; their image encoder lies beside them."""
    places = [model_folder(name) / place for place in (WEIGHTS, *PUBLISHED)]
    there = [path for path in places if path.exists()]
    if not there:
        raise BadConfig(f"{name} holds no IP-Adapter: expected a file {WEIGHTS} in it.")
    return next((path for path in there if _fits(path, unet)), there[0])


def _fits(path: Path, unet: Any) -> bool:
    """Whether weights are of the plain kind and for texts as wide as a network listens to."""
    with safe_open(path, "pt") as file:
        widest = file.get_slice(WIDEST).get_shape() if WIDEST in file.keys() else [0]  # noqa: SIM118
    return bool(widest[0] == TOKENS * unet.config.cross_attention_dim)


def _theirs(name: str) -> str:
    return name.replace("image_embeds", "proj")


def _ours(key: str) -> str:
    part, _, rest = key.partition(".")
    if part == "image_proj":
        return f"projection.{rest.replace('proj', 'image_embeds')}"
    number, _, weight = rest.partition(".")
    return f"layers.{int(number) // 2}.{weight}"

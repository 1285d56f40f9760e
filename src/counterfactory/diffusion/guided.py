"""Turns a checkpoint of guided-diffusion into a folder in diffusers' format. What is read is numbers, never code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.flags import FILE, Flags
from counterfactory.diffusion.pixel_network import WEIGHTS, guided_unet
from counterfactory.diffusion.respacing import spaced
from counterfactory.diffusion.schedulers import noising_scheduler
from counterfactory.errors import BadConfig, writing

CLASSES = 1000  # of every model with classes that was published
SHOWN = 3  # names in an error
INSIDE = {  # by what they are called here, the parts of a place there
    "norm1": ".in_layers.0", "conv1": ".in_layers.2", "time_emb_proj": ".emb_layers.1",
    "norm2": ".out_layers.0", "conv2": ".out_layers.3", "conv_shortcut": ".skip_connection",
    "group_norm": ".norm", "to_q": ".qkv", "to_k": ".qkv", "to_v": ".qkv", "to_out.0": ".proj_out",
    "linear_1": ".0", "linear_2": ".2", "": "",
}  # fmt: skip
LOOKED = ("to_q", "to_k", "to_v")  # lie in one tensor there


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a conversion left."""

    folder: Path
    parameters: int
    steps: int  # that drawings take, as the flags space them
    is_plain: bool  # whether diffusers reads it by itself


def convert(file: Path, flags: Flags, folder: Path) -> Converted:
    """Writes a folder that `open_denoiser` reads, and plain diffusers too where its settings can say what it is."""
    visited = spaced(flags.diffusion_steps, flags.timestep_respacing)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadConfig(f"{folder} is there already; give a folder that is empty or not there yet.")
    network = network_of(read_weights(file), flags, file)
    with writing(folder):
        _save(network, flags, folder)
    size = sum(parameter.numel() for parameter in network.parameters())
    return Converted(folder=folder, parameters=size, steps=len(visited), is_plain=flags.is_plain)


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name."""
    from safetensors.torch import load_file

    if not file.is_file():
        raise BadConfig(f"There is no file {file}; expected a checkpoint, such as ema_0.9999_270000.pt.")
    try:
        is_safe = file.suffix == ".safetensors"
        found = load_file(file) if is_safe else torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # its many errors are one: the file is not what it should be
        raise BadConfig(
            f"{file} is not read: it is damaged, or holds more than tensors, which could run code. Load it where you "
            "trust it and save the tensors alone, with torch.save(model.state_dict(), ...) or as safetensors."
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        holds = ", ".join(map(str, list(found)[:SHOWN])) if isinstance(found, dict) else type(found).__name__
        raise BadConfig(
            f"{file} holds {holds}; expected a network's tensors by name, as in guided-diffusion's ema_*.pt."
        )
    return found


def network_of(weights: Mapping[str, Tensor], flags: Flags, file: Path) -> Any:
    """The network with its weights; flags that describe another one are refused by name."""
    labels = weights.get("label_emb.weight")
    network = guided_unet(flags, (CLASSES if labels is None else len(labels)) if flags.class_cond else None)
    ours = network.state_dict()
    theirs = {name: _theirs(name, flags) for name in ours}
    _refuse_strangers(set(theirs.values()), set(weights), file)
    for name, like in ours.items():
        _refuse_misfit(theirs[name], _shape(name, like), weights[theirs[name]], file)
    turned = {name: _tensor(name, weights[theirs[name]], like, flags) for name, like in ours.items()}
    network.load_state_dict(turned, assign=True)
    return network.eval()


def _theirs(name: str, flags: Flags) -> str:
    """What guided-diffusion calls a tensor of ours."""
    place = next(place for place in _places(flags) if name.startswith(f"{place}."))
    part, _, kind = name.removeprefix(place).removeprefix(".").rpartition(".")
    resamples = {"conv": ".op" if "down" in place else ".conv"}
    return f"{_places(flags)[place]}{(INSIDE | resamples)[part]}.{kind}"


def _places(flags: Flags) -> dict[str, str]:
    """Where each place of ours lies there: blocks are counted through, and one that resamples follows its level's."""
    found = {
        "conv_in": "input_blocks.0.0", "time_embedding": "time_embed", "class_embedding": "label_emb",
        "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2", "conv_norm_out": "out.0", "conv_out": "out.2",
    }  # fmt: skip
    layers, levels = flags.num_res_blocks, len(flags.mult)
    for level in range(levels):
        first = 1 + level * (layers + 1)
        for layer in range(layers):
            found[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{first + layer}.0"
            found[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{first + layer}.1"
        found[f"down_blocks.{level}.downsamplers.0"] = f"input_blocks.{first + layers}.0"
    for level, looks in enumerate(reversed(flags.attends)):
        first = level * (layers + 1)
        for layer in range(layers + 1):
            found[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{first + layer}.0"
            found[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{first + layer}.1"
        found[f"up_blocks.{level}.upsamplers.0"] = f"output_blocks.{first + layers}.{1 + looks}"
    return found


def _shape(name: str, like: Tensor) -> tuple[int, ...]:
    """The shape that a tensor of ours has there: attention is made of convolutions over one axis."""
    looked = any(part in name for part in LOOKED)
    flat = (1,) if ".attentions." in name and like.ndim == 2 else ()
    return (like.shape[0] * (3 if looked else 1), *like.shape[1:], *flat)


def _tensor(name: str, theirs: Tensor, like: Tensor, flags: Flags) -> Tensor:
    """In at least 32 bits: what was kept in 16 loses nothing."""
    for place, part in enumerate(LOOKED):
        if part in name:
            theirs = _third(theirs, place, flags)
    return theirs.reshape(like.shape).to(torch.promote_types(theirs.dtype, torch.float32)).contiguous()


def _third(joined: Tensor, place: int, flags: Flags) -> Tensor:
    """Queries, keys or values: each head's together with its own others, or in the newer order all heads' together."""
    heads = 1 if flags.use_new_attention_order else flags.heads(len(joined) // 3)
    return joined.reshape(heads, 3, -1, *joined.shape[1:])[:, place].flatten(0, 1)


def _refuse_strangers(expected: set[str], given: set[str], file: Path) -> None:
    if expected != given:
        raise BadConfig(
            f"The flags do not fit {file}: it lacks {_some(expected - given)} and has {_some(given - expected)} "
            "beside what they describe. Mind image_size, channel_mult, num_res_blocks, attention_resolutions, "
            "resblock_updown and class_cond."
        )


def _refuse_misfit(name: str, expected: tuple[int, ...], given: Tensor, file: Path) -> None:
    if tuple(given.shape) != expected:
        raise BadConfig(
            f"The flags do not fit {file}: its {name} is {tuple(given.shape)}, by the flags it would be {expected}. "
            "Mind num_channels, channel_mult, use_scale_shift_norm and learn_sigma."
        )


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{', '.join(listed[:SHOWN])}{more}" or "nothing"


def _save(network: Any, flags: Flags, folder: Path) -> None:
    """Where diffusers' settings do not say what the network is, its weights lie where diffusers does not find them."""
    from diffusers import DDPMPipeline
    from safetensors.torch import save_file

    pipelines: Any = DDPMPipeline
    variance = "learned_range" if flags.learn_sigma else "fixed_large"
    noising = noising_scheduler(
        flags.noise_schedule, flags.diffusion_steps, variance_type=variance, timestep_spacing="linspace"
    )
    folder.mkdir(parents=True, exist_ok=True)
    pipelines(unet=network, scheduler=noising).save_config(folder)
    noising.save_pretrained(folder / "scheduler")
    if flags.is_plain:
        network.save_pretrained(folder / "unet")
    else:
        network.save_config(folder / "unet")
        save_file(network.state_dict(), folder / "unet" / WEIGHTS)
    (folder / FILE).write_text(flags.model_dump_json(indent=2) + "\n", encoding="utf-8")

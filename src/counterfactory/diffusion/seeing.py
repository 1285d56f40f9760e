"""Reads the pictures that requests name, and gives a pipeline what it needs to heed them, and words it has not had."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from counterfactory.diffusion.adapted import CLASS_ENCODER, LORA, UNET
from counterfactory.diffusion.adapters import adapter_file, load_adapter
from counterfactory.diffusion.attention import prompted
from counterfactory.diffusion.class_encoder import load_class_encoder
from counterfactory.diffusion.conditions import Seen
from counterfactory.diffusion.drawing import Parts, picture_size
from counterfactory.diffusion.encodings import Encodings
from counterfactory.diffusion.fits import refuse_other_network
from counterfactory.diffusion.image_encoder import ENCODER, load_image_encoder
from counterfactory.diffusion.lora import load_lora
from counterfactory.diffusion.placing import Placing
from counterfactory.diffusion.tokens import load_tokens
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.pixels import Pixels
from counterfactory.types import Request

WEIGHTS = "diffusion_pytorch_model.safetensors"  # diffusers' own name
AT_ONCE = 64  # inputs in one call of a network


def with_controls(parts: Parts, names: Mapping[str, str]) -> Parts:
    """The parts and ControlNets (folders or hub ids by the kind of layout) on the same device."""
    from diffusers import ControlNetModel

    networks: Any = ControlNetModel
    unet, latent = parts.unet, parts.autoencoder.config.latent_channels
    said = {"use_safetensors": True, "torch_dtype": unet.dtype}
    loaded = {kind: networks.from_pretrained(model_folder(name), **said) for kind, name in names.items()}
    for kind, one in loaded.items():
        # a network that fills holes takes more than noise, which its ControlNets do not see
        refuse_other_network(names[kind], {**unet.config, "in_channels": latent}, one.config)
    controls = {kind: one.to(unet.device).eval().requires_grad_(False) for kind, one in loaded.items()}
    return replace(parts, controls={**parts.controls, **controls})


def with_image_prompts(parts: Parts, name: str) -> Parts:
    """The parts, where the denoising network listens to image prompts through an IP-Adapter (a folder or hub id)."""
    adapter = load_adapter(name, parts.unet)
    encoder = load_image_encoder(str(adapter_file(name, parts.unet).parent / ENCODER), str(parts.unet.device))
    return replace(parts, unet=prompted(parts.unet, adapter), image_encoder=encoder)


def with_tokens(parts: Parts, folder: Path) -> Parts:
    """The parts, whose text encoders also know the learnt tokens of a folder."""
    learnt = load_tokens(folder)
    widths = [reader.encoder.get_input_embeddings().embedding_dim for reader in parts.readers]
    for token, vectors in learnt.items():
        found = [one.shape[-1] for one in vectors]
        if found != widths:
            raise BadConfig(
                f"tokens: {token} in {folder} was learnt for encoders of {_listed(found)} numbers a word, and this "
                f"pipeline's are of {_listed(widths)}; give tokens that were learnt with it or with one like it."
            )
    return replace(parts, tokens=learnt)


def with_classes(parts: Parts, folder: Path, fused: bool = True) -> Parts:
    """The parts with an epoch's class encoder and what its denoiser learnt, where it did; a LoRA is laid into it."""
    encoder, unet = load_class_encoder(folder / CLASS_ENCODER), parts.unet
    summary = encoder.settings.summary
    if encoder.settings.width != unet.config.cross_attention_dim or bool(summary) != (len(parts.readers) > 1):
        raise BadConfig(
            f"classes: {folder} was adapted beside a pipeline that listens to {encoder.settings.width} numbers a token "
            f"and {summary} besides, and this one listens to {unet.config.cross_attention_dim}; give the pipeline that "
            "it was adapted with."
        )
    try:
        if (folder / UNET).exists():
            unet.load_state_dict(load_file(folder / UNET / WEIGHTS))
        if (folder / LORA).exists():
            load_lora(unet, folder / LORA, fused)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(
            f"classes: {folder} does not fit this pipeline's denoiser ({reason}); adapt it anew."
        ) from error
    return replace(parts, classes=encoder.to(unet.device, unet.dtype))


def _listed(widths: Sequence[int]) -> str:
    return " and ".join(map(str, widths))


def see(parts: Parts, requests: Sequence[Request], pixels: Pixels) -> Seen:
    """All that requests of one size say and show, each read and encoded once."""
    sizes = {picture_size(parts, request) for request in requests}
    if len(sizes) > 1:
        raise BadConfig(f"size: pictures drawn together share one size, not {sorted(sizes)}.")
    device = str(parts.unet.device)
    return Encodings(parts, pixels, Placing(device=device, waits=device), AT_ONCE).seen(requests, sizes.pop())

"""Whether a folder holds a pipeline that can be drawn from: told from its files and settings, before it is loaded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from counterfactory.errors import BadConfig
from counterfactory.names import PICKLED
from counterfactory.training.loading import quiet

INDEX = "model_index.json"
NETWORKS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
Config = Mapping[str, Any]


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Refuses a folder whose parts are missing or do not fit, and names a damaged one; the libraries keep quiet."""
    refuse_misfits(folder)
    with reading(folder):
        yield


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Names a damaged folder; the libraries keep quiet."""
    from safetensors import SafetensorError
    from torch import OutOfMemoryError

    try:
        with quiet(), _quiet_diffusers():
            yield
    except OutOfMemoryError:  # nothing is wrong with the folder
        raise
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(
            f"The pipeline in {folder} cannot be loaded ({reason}). Save it again with `save_pretrained`, "
            "or fetch it again."
        ) from error


@contextmanager
def _quiet_diffusers() -> Iterator[None]:
    """Diffusers says errors only inside."""
    from diffusers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def refuse_misfits(folder: Path) -> None:
    """One sentence on the first thing that keeps a folder from being drawn from."""
    configs = {part: _config(folder, part) for part in _parts(folder)}
    for part in configs:
        refuse_pickles(folder / part)
    if "unet" not in configs:
        return  # another family: its own pipeline knows what fits
    if strange := _strange(configs):
        raise BadConfig(f"The pipeline in {folder} is not drawn from here: {strange}.")
    complaint = _misfit(configs) or _overlong(folder, configs)
    if complaint:
        raise BadConfig(f"The parts of the pipeline in {folder} do not fit each other: {complaint}.")


def has_unet(folder: Path) -> bool:
    """Whether a pipeline's denoising network is one like Stable Diffusion's."""
    return {"unet", "vae", "text_encoder"} <= set(_parts(folder))


def left_out(folder: Path) -> list[str]:
    """The parts that a pipeline could have and was saved without."""
    return [part for part, said in _read(folder / INDEX).items() if said == [None, None]]


def is_of_two_encoders(folder: Path) -> bool:
    """Whether a pipeline listens to two text encoders, as SDXL does."""
    return {"unet", "text_encoder", "text_encoder_2"} <= set(_parts(folder))


def refuse_pickles(folder: Path) -> None:
    """A network's folder has its weights as safetensors; pickles, which can run code, are never read."""
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for path in folder.glob("*") if any(fnmatch(path.name, kind) for kind in PICKLED))
    if pickled:
        raise BadConfig(
            f"{folder} has its weights only as {pickled[0]}, a pickle, which can run code and is not read. Load it "
            "once where you trust it and write it with save_pretrained(folder, safe_serialization=True), or take a "
            "revision with safetensors."
        )
    raise BadConfig(f"{folder} has no weights: expected a file such as diffusion_pytorch_model.safetensors.")


def refuse_other_network(name: str, unet: Config, control: Config) -> None:
    """A ControlNet adds to each level of the network that it was trained beside, and to no other."""
    said = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
    for field in said:
        ours, its = _plain(unet.get(field)), _plain(control.get(field))
        if ours != its:
            raise BadConfig(
                f"The ControlNet {name} was made for another pipeline: its {field} is {its}, the denoising network's "
                f"is {ours}. Give one that was trained beside this pipeline."
            )


def _parts(folder: Path) -> list[str]:
    """The networks that the folder's index names."""
    index = folder / INDEX
    if not index.is_file():
        hint = "it is a single model, not a pipeline" if (folder / "config.json").exists() else "it has none"
        raise BadConfig(f"{folder} is no pipeline: expected a {INDEX} as `save_pretrained` writes it, and {hint}.")
    said = _read(index)
    return [part for part in NETWORKS if isinstance(said.get(part), list) and any(said[part])]


def _config(folder: Path, part: str) -> Config:
    path = folder / part / "config.json"
    if not path.is_file():
        raise BadConfig(f"{folder} is no whole pipeline: its {INDEX} names {part}, and there is no {path}.")
    return _read(path)


def _read(path: Path) -> Config:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadConfig(f"{path} is damaged: it is no JSON ({error}).") from error
    if not isinstance(said, dict):
        raise BadConfig(f"{path} is damaged: expected an object of settings.")
    return said


def _misfit(configs: Mapping[str, Config]) -> str | None:
    unet, vae = configs["unet"], configs.get("vae", {})
    looked_at = unet.get("cross_attention_dim")
    widths = [width for part, config in configs.items() if "text" in part and (width := _width(config))]
    if widths and isinstance(looked_at, int) and looked_at != sum(widths):
        return f"the text encoder says {sum(widths)} numbers a word, the denoising network listens to {looked_at}"
    latent, channels = vae.get("latent_channels"), unet.get("in_channels")
    if latent and channels and channels not in {latent, 2 * latent + 1}:  # the latter paints into holes
        more = " (networks for enlarging and for instructions take more, and are not drawn from)" * (channels > latent)
        return f"the autoencoder makes {latent} latent channels, the denoising network takes {channels}{more}"
    return None


def _strange(configs: Mapping[str, Config]) -> str | None:
    """What would be drawn wrong without a word."""
    if configs["unet"].get("time_cond_proj_dim"):
        return "its network was distilled to be told its guidance; take the pipeline that it was made from"
    if configs.get("vae", {}).get("latents_mean"):
        return "its autoencoder has a mean and a deviation for each latent channel; take one with a single scale"
    return None


def _overlong(folder: Path, configs: Mapping[str, Config]) -> str | None:
    """A tokenizer whose words or texts go beyond what the text encoder has learnt fails only when it is met."""
    said = folder / "tokenizer" / "tokenizer_config.json"
    encoder = configs.get("text_encoder", {})
    longest = _read(said).get("model_max_length") if said.is_file() else None
    places = encoder.get("max_position_embeddings")
    if longest and places and longest > places:
        return f"the tokenizer makes up to {longest} tokens, the text encoder takes {places}"
    return None


def _width(config: Config) -> int | None:
    text = config.get("text_config") or config
    return text.get("hidden_size") or text.get("d_model")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value

"""A data set in an autoencoder's latents, computed once and kept on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfactory.keys import dataset_key
from counterfactory.names import identity, model_folder
from counterfactory.training.arrays import array_path, kept_pictures, kept_rows
from counterfactory.training.pictures import to_tensor
from counterfactory.types import Dataset
from counterfactory.worker import Worker

BATCH = 64


def kept_latents(worker: Worker, dataset: Dataset, autoencoder: str, size: int, mirrored: bool = False) -> Path:
    """The array (N, channels, height, width) of a data set's latents in half precision, scaled to unit size."""
    network = load_autoencoder(autoencoder, worker.device)
    factor = 2 ** (len(network.config.block_out_channels) - 1)
    shape = (len(dataset), network.config.latent_channels, size // factor, size // factor)
    pictures = np.load(kept_pictures(worker, dataset, size), mmap_mode="r")

    def rows(start: int, stop: int) -> np.ndarray:
        x_BCHW = to_tensor(pictures[start:stop]).to(worker.device)
        shown = x_BCHW.flip(-1) if mirrored else x_BCHW
        return encode(network, shown).cpu().numpy().astype(np.float16)

    kind = "mirrored-latents" if mirrored else "latents"
    path = array_path(worker, kind, dataset_key(dataset), identity(autoencoder), size)
    return kept_rows(path, shape, np.float16, rows)


def kept_moments(worker: Worker, dataset: Dataset, autoencoder: str, size: int) -> Path:
    """The array (N, C or 2 C, height, width) of what an autoencoder says of a data set, which is looked at once.

    They are scaled; where the autoencoder gives deviations (Kingma & Welling 2014), these follow: see `drawn_from`.
    """
    network = load_autoencoder(autoencoder, worker.device)
    pictures = np.load(kept_pictures(worker, dataset, size), mmap_mode="r")
    probe = moments(network, to_tensor(pictures[:1]).to(worker.device))
    path = array_path(worker, "moments", dataset_key(dataset), identity(autoencoder), size)

    def rows(start: int, stop: int) -> np.ndarray:
        x_BCHW = to_tensor(pictures[start:stop]).to(worker.device)
        return moments(network, x_BCHW).cpu().numpy().astype(np.float16)

    return kept_rows(path, (len(dataset), *probe.shape[1:]), np.float16, rows)


def drawn_from(moments_BCHW: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """Latents as likely as the autoencoder says, or the only ones that it says."""
    if moments_BCHW.shape[1] == channels:
        return moments_BCHW
    mean, deviation = moments_BCHW[:, :channels], moments_BCHW[:, channels:]
    return mean + deviation * torch.randn(mean.shape, generator=generator, device=mean.device)


def load_autoencoder(name: str, device: str) -> Any:
    """An autoencoder of whichever kind the name stands for, for use and not for training."""
    from diffusers import AutoModel

    models: Any = AutoModel
    network = models.from_pretrained(str(model_folder(name)), use_safetensors=True, trust_remote_code=False)
    return network.float().to(device).eval().requires_grad_(False)


@torch.no_grad()
def encode(network: Any, x_BCHW: Tensor) -> Tensor:
    """Latents as the denoising network sees them: the middle of what the encoder thinks possible, scaled."""
    return moments(network, x_BCHW)[:, : network.config.latent_channels]


@torch.no_grad()
def moments(network: Any, x_BCHW: Tensor) -> Tensor:
    """The same, and behind them their deviations where the autoencoder says that others are possible."""
    return torch.cat([_moments(network, network.encode(x)) for x in torch.split(x_BCHW.to(network.dtype), BATCH)])


def _moments(network: Any, said: Any) -> Tensor:
    factor, shift = network.config.scaling_factor, _shift(network)
    if hasattr(said, "latents"):
        alone: Tensor = (said.latents - shift) * factor
        return alone
    return torch.cat([(said.latent_dist.mean - shift) * factor, said.latent_dist.std * factor], 1)


@torch.no_grad()
def decode(network: Any, z_BCHW: Tensor) -> Tensor:
    """Pictures from -1 to 1 of scaled latents."""
    parts = torch.split((z_BCHW / network.config.scaling_factor + _shift(network)).to(network.dtype), BATCH)
    return torch.cat([network.decode(part).sample for part in parts]).float().clamp(-1, 1)


def _shift(network: Any) -> float:
    return getattr(network.config, "shift_factor", None) or 0.0

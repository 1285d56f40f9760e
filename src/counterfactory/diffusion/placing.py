"""Where networks are while they wait and while they work, and what they spare of their device's memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from counterfactory.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Placing:
    """A device, and where networks wait for their turn: there too, or in main memory."""

    device: str
    waits: str

    @contextmanager
    def at_work(self, *networks: Any) -> Iterator[None]:
        """Networks on the device within the block."""
        if self.waits == self.device:
            yield
            return
        for network in networks:
            network.to(self.device)
        try:
            yield
        finally:
            for network in networks:
                network.to(self.waits)


def placing(worker: Worker) -> Placing:
    """As the worker has it."""
    return Placing(device=worker.device, waits="cpu" if worker.memory.offload else worker.device)


def spare(worker: Worker, network: Any, autoencoder: Any) -> None:
    """Makes a denoising network and an autoencoder spare memory where the worker says so."""
    if worker.memory.slicing:
        if hasattr(network, "set_attention_slice"):
            network.set_attention_slice("auto")
        autoencoder.enable_slicing()
    if worker.memory.tiling and type(autoencoder).__name__ != "AutoencoderTiny":  # which has little to spare
        autoencoder.enable_tiling()


def compiled(worker: Worker, *networks: Any) -> None:
    """Has networks compiled when they are first met, where the worker says so."""
    for network in networks if worker.memory.compile else ():
        network.compile()


def quicken(worker: Worker, *networks: Any) -> None:
    """Lays weights out as convolutions like them best: a tenth faster, but for 16 bits on a processor."""
    import torch

    if worker.device != "cpu" or worker.dtype == "float32":
        for network in networks:
            network.to(memory_format=torch.channels_last)

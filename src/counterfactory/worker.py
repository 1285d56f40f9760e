"""What a step may know of its machine: device, number format, processes, folders. Nothing else says `cuda`."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from counterfactory.blobs import Blobs
from counterfactory.errors import TooManyFailures, Unavailable
from counterfactory.keys import ASIDE
from counterfactory.pixels import Pixels
from counterfactory.types import Artifact

DEVICES = "cpu, cuda, cuda:1, mps or auto"  # as a person may ask for them
DType = Literal["float32", "bfloat16", "float16"]


Tell = Callable[[int, int], None]
Hear = Callable[[int, float], None]


def nobody(_done: int, _of: float) -> None:
    """Whom a training tells that nobody asked."""


class Memory(BaseModel, frozen=True, extra="forbid"):
    """How large networks spare a device's memory, and whether time is spent at first to be saved later."""

    offload: Annotated[bool, ASIDE] = Field(
        default=False, description="networks wait in main memory until it is their turn"
    )
    slicing: Annotated[bool, ASIDE] = Field(default=False, description="attention is computed a part at a time")
    tiling: bool = Field(default=False, description="autoencoders see a picture a tile at a time; seams join the keys")
    compile: Annotated[bool, ASIDE] = Field(default=False, description="networks are compiled when they are first met")


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A place where steps run. `dtype`, `deterministic` and tiles change results and so join every key."""

    workspace: Path
    device: str = "cpu"
    dtype: DType = "float32"
    deterministic: bool = False
    batch_size: int = 16
    processes: int = os.cpu_count() or 1
    memory: Memory = field(default_factory=Memory)
    tell: Tell = field(default=nobody, compare=False, repr=False)  # steps done, steps in all
    hear: Hear = field(default=nobody, compare=False, repr=False)  # steps done, how good it is by then; may raise

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process, in which nobody watches: a bar on a terminal cannot travel."""
        return {**self.__dict__, "tell": nobody, "hear": nobody}

    @property
    def settings(self) -> dict[str, Any]:
        """What of the worker is part of a result's identity: in deterministic mode also the shape of a batch."""
        exact = {"deterministic": self.batch_size} if self.deterministic else {}
        tiles = {"tiling": True} if self.memory.tiling else {}
        return {"dtype": self.dtype, **exact, **tiles}

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.workspace / "blobs")

    @property
    def pixels(self) -> Pixels:
        return Pixels(self.blobs, self.processes)

    def artifact(self, artifact: Artifact) -> Path:
        """The folder that a training left."""
        return self.workspace / "artifacts" / artifact.key

    def torch_dtype(self) -> Any:
        """The number format as torch's own."""
        import torch

        return getattr(torch, self.dtype)


def choose_device(wanted: str = "auto") -> str:
    """The device that a person asked for, or the best there is."""
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    kind = wanted.partition(":")[0]
    if not available.get(kind, False):
        there = ", ".join(name for name, is_there in available.items() if is_there)
        raise Unavailable(f"No device {wanted!r} on this machine. There is: {there}; give --device with one of them.")
    return wanted


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no room left; each says it in its own way."""
    import torch

    said = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError | TooManyFailures) and any(words in str(error) for words in said)
    )


def let_memory_go(device: str) -> None:
    """Gives back what a device keeps ready for later."""
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def accelerator() -> str | None:
    """The name of the accelerator that torch sees, or None."""
    import torch

    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return "Apple GPU" if torch.backends.mps.is_available() else None

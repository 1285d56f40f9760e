"""A data set's pixels for training: held in memory where they fit, decoded batch by batch where they do not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from counterfactory.classify.preparation import Preparation
from counterfactory.pixels import Pixels
from counterfactory.processes import ignore_interrupts
from counterfactory.types import Address, Dataset
from counterfactory.worker import Worker

BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as Pillow turns colours to grey
MEMORY = 2_000_000_000  # bytes of pixels, or of features, that a training may hold


class Groups(Protocol):
    """Rows of images, group by group."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> NDArray[np.int64]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Images by row, 8-bit; both ways of holding them give the same bytes."""

    pixels: Pixels
    addresses: tuple[Address, ...]
    preparation: Preparation
    processes: int
    held: NDArray[np.uint8] | None

    def batches(self, rows: Groups) -> Iterator[torch.Tensor]:
        """One tensor (B, 3, H, W) of bytes for each group of rows, in order."""
        if self.held is not None:
            return (_tensor(self.held[rows[index]]) for index in range(len(rows)))
        loader: torch.utils.data.DataLoader[torch.Tensor] = torch.utils.data.DataLoader(
            _Groups(self, rows),  # type: ignore[arg-type]  # it has a length and items, which is all that is asked
            batch_size=None,
            num_workers=0 if self.processes < 2 else self.processes,
            worker_init_fn=ignore_interrupts,
            generator=torch.Generator().manual_seed(0),  # without one it would draw from the global one
        )
        return iter(loader)

    def read(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """The images of some rows, from where they lie."""
        return _tensor(self.preparation.arrays(self.pixels, [self.addresses[row] for row in rows]))


def open_pictures(dataset: Dataset, preparation: Preparation, worker: Worker) -> Pictures:
    """A data set's images as a network wants them."""
    addresses = tuple(sample.image for sample in dataset.samples)
    width, height = preparation.size
    fits = len(addresses) * width * height * 3 <= MEMORY
    return Pictures(
        pixels=Pixels(worker.blobs),
        addresses=addresses,
        preparation=preparation,
        processes=worker.processes,
        held=preparation.arrays(worker.pixels, list(addresses)) if fits else None,
    )


def groups(count: int, size: int) -> list[NDArray[np.int64]]:
    """All rows in order, `size` at a time."""
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]


def floats(pixels: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Bytes as numbers from 0 to 1, on a device."""
    return pixels.to(device).float().div_(255)


def normalised(pixels: torch.Tensor, preparation: Preparation) -> torch.Tensor:
    """Pixels from 0 to 1 (B, 3, H, W) with the channels, mean and deviation that a network was trained with."""
    if preparation.grey:
        pixels = (pixels * torch.tensor(BRIGHTNESS, device=pixels.device).view(1, -1, 1, 1)).sum(1, keepdim=True)
    mean = torch.tensor(preparation.mean, device=pixels.device).view(1, -1, 1, 1)
    deviation = torch.tensor(preparation.deviation, device=pixels.device).view(1, -1, 1, 1)
    return ((pixels - mean) / deviation).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class _Groups:
    """What a `DataLoader` asks: one whole batch an index."""

    pictures: Pictures
    rows: Groups

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pictures.read(self.rows[index])


def _tensor(array: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2)

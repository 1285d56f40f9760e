"""Where and how much two pictures differ, pixel by pixel."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from counterfactory.pixels import Pixels, encode_png
from counterfactory.types import Address, Failed
from counterfactory.worker import Worker

Pair = tuple[Address, Address]  # the source, and what it became
WHITE = 255.0


class Differ(BaseModel, frozen=True, extra="forbid"):
    """For each pair its `map`, summed over colours and as bright as can be, and mean `l1` and root mean square `l2`."""

    version: ClassVar[int] = 1

    def load(self, worker: Worker) -> Callable[[Sequence[Pair]], list[dict[str, Any] | Failed]]:
        def differ(pairs: Sequence[Pair]) -> list[dict[str, Any] | Failed]:
            return [_said(worker, differences(worker.pixels, pair)) for pair in pairs]

        return differ


class MeanMap(BaseModel, frozen=True, extra="forbid"):
    """For each group of pairs the mean of their maps, as large as the first one and as bright as can be."""

    version: ClassVar[int] = 1
    pads: ClassVar[bool] = False  # a whole group is no filling

    def load(self, worker: Worker) -> Callable[[Sequence[tuple[Pair, ...]]], list[Address | Failed]]:
        def mean(groups: Sequence[tuple[Pair, ...]]) -> list[Address | Failed]:
            return [_kept(worker, _mean(worker.pixels, group)) for group in groups]

        return mean


def differences(pixels: Pixels, pair: Pair) -> NDArray[np.float64]:
    """Absolute differences (H, W, 3) from 0 to 1, in the size of what the source became."""
    source, changed = (pixels.image(address) for address in pair)
    if source.size != changed.size:
        source = source.resize(changed.size, Image.Resampling.BICUBIC)
    apart: NDArray[np.float64] = np.abs(np.asarray(source, np.float64) - np.asarray(changed, np.float64)) / WHITE
    return apart


def _said(worker: Worker, apart_HWC: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "map": _kept(worker, apart_HWC.sum(2)),
        "l1": float(apart_HWC.mean()),
        "l2": float(np.sqrt(np.square(apart_HWC).mean())),
    }


def _mean(pixels: Pixels, group: Sequence[Pair]) -> NDArray[np.float64]:
    maps = [differences(pixels, pair).sum(2) for pair in group]
    size = maps[0].shape[::-1]
    fitted = [np.asarray(Image.fromarray(one.astype(np.float32)).resize(size, Image.Resampling.BOX)) for one in maps]
    mean: NDArray[np.float64] = np.mean(fitted, axis=0, dtype=np.float64)
    return mean


def _kept(worker: Worker, map_HW: NDArray[np.float64]) -> Address:
    """As a grey picture; black where nothing differs."""
    bright = map_HW / (map_HW.max() or 1.0)
    return Address(worker.blobs.put(encode_png(Image.fromarray((WHITE * bright).round().astype(np.uint8)))))

"""The Inception by which published FIDs are told (Szegedy et al. 2016), for whoever gives its weights.

They are those of 2015-12-05 by the names of their ports to torch. This network differs from the one that libraries of
images have: means are of pixels alone and not of the margin, and its last block takes maxima in place of means.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import BatchFeature
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndNoAttention as Seen

from counterfactory.errors import BadConfig

WEIGHTS = "model.safetensors"
SIDE = 299  # pixels of a picture as it is looked at
CLASSES = 1008  # of these weights' last layer, which is not looked at; others have 1,000
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False),
    "largest": lambda x: functional.max_pool2d(x, 3, stride=1, padding=1),
    "halved": lambda x: functional.max_pool2d(x, 3, stride=2),
}


def _fine(pool: int) -> tuple[str, ...]:
    return (
        "branch1x1 64 1x1",
        "branch5x5_1 48 1x1, branch5x5_2 64 5x5",
        "branch3x3dbl_1 64 1x1, branch3x3dbl_2 96 3x3, branch3x3dbl_3 96 3x3",
        f"mean, branch_pool {pool} 1x1",
    )


def _middle(inner: int) -> tuple[str, ...]:
    return (
        "branch1x1 192 1x1",
        f"branch7x7_1 {inner} 1x1, branch7x7_2 {inner} 1x7, branch7x7_3 192 7x1",
        f"branch7x7dbl_1 {inner} 1x1, branch7x7dbl_2 {inner} 7x1, branch7x7dbl_3 {inner} 1x7, "
        f"branch7x7dbl_4 {inner} 7x1, branch7x7dbl_5 192 1x7",
        "mean, branch_pool 192 1x1",
    )


def _coarse(pool: str) -> tuple[str, ...]:
    return (
        "branch1x1 320 1x1",
        "branch3x3_1 384 1x1, branch3x3_2a 384 1x3 + branch3x3_2b 384 3x1",
        "branch3x3dbl_1 448 1x1, branch3x3dbl_2 384 3x3, branch3x3dbl_3a 384 1x3 + branch3x3dbl_3b 384 3x1",
        f"{pool}, branch_pool 192 1x1",
    )


# In order. A block's branches stand side by side; in a branch one part follows another, or two share what they see.
# A part is a pool or a convolution: name, channels, kernel, and /2 where it halves. It has a margin unless it halves.
STEM = (
    "Conv2d_1a_3x3 32 3x3/2, Conv2d_2a_3x3 32 3x3/1, Conv2d_2b_3x3 64 3x3, halved, "
    "Conv2d_3b_1x1 80 1x1, Conv2d_4a_3x3 192 3x3/1, halved",
)
BLOCKS = {
    "Mixed_5b": _fine(32),
    "Mixed_5c": _fine(64),
    "Mixed_5d": _fine(64),
    "Mixed_6a": (
        "branch3x3 384 3x3/2",
        "branch3x3dbl_1 64 1x1, branch3x3dbl_2 96 3x3, branch3x3dbl_3 96 3x3/2",
        "halved",
    ),
    "Mixed_6b": _middle(128),
    "Mixed_6c": _middle(160),
    "Mixed_6d": _middle(160),
    "Mixed_6e": _middle(192),
    "Mixed_7a": (
        "branch3x3_1 192 1x1, branch3x3_2 320 3x3/2",
        "branch7x7x3_1 192 1x1, branch7x7x3_2 192 1x7, branch7x7x3_3 192 7x1, branch7x7x3_4 192 3x3/2",
        "halved",
    ),
    "Mixed_7b": _coarse("mean"),
    "Mixed_7c": _coarse("largest"),
}


class Convolution(nn.Module):
    """A convolution without a bias, normalised and rectified."""

    def __init__(self, channels: int, out: int, kernel: str) -> None:
        super().__init__()
        shape, _, stride = kernel.partition("/")
        sides = [int(side) for side in shape.split("x")]
        margin = [0 if stride else side // 2 for side in sides]
        self.conv = nn.Conv2d(channels, out, sides, stride=int(stride or 1), padding=margin, bias=False)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x_BCHW)))


class Block(nn.Module):
    """Branches whose answers are laid one behind the other."""

    def __init__(self, channels: int, branches: Sequence[str]) -> None:
        super().__init__()
        self.branches = [[link.split(" + ") for link in branch.split(", ")] for branch in branches]
        self.out = sum(self._built(branch, channels) for branch in self.branches)

    def _built(self, branch: list[list[str]], channels: int) -> int:
        for link in branch:
            if link[0] not in POOLS:
                parts = [part.split() for part in link]
                for name, out, kernel in parts:
                    self.add_module(name, Convolution(channels, int(out), kernel))
                channels = sum(int(out) for _, out, _ in parts)
        return channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.cat([self._through(branch, x_BCHW) for branch in self.branches], 1)

    def _through(self, branch: list[list[str]], x_BCHW: Tensor) -> Tensor:
        for link in branch:
            parts = [POOLS.get(part) or self.get_submodule(part.split()[0]) for part in link]
            x_BCHW = torch.cat([part(x_BCHW) for part in parts], 1)
        return x_BCHW


class Inception(Block):
    """The whole network, up to the mean over its last maps (B, 2048)."""

    def __init__(self) -> None:
        super().__init__(3, STEM)
        channels = 192
        for name, branches in BLOCKS.items():
            block = Block(channels, branches)
            self.add_module(name, block)
            channels = block.out

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def forward(self, pixel_values: Tensor, output_hidden_states: bool = False) -> Seen:  # type: ignore[override]
        """What a vision model of transformers answers."""
        maps = [pixel_values, super().forward(pixel_values)]
        for name in BLOCKS:
            maps.append(self.get_submodule(name)(maps[-1]))
        return Seen(last_hidden_state=maps[-1], pooler_output=maps[-1].mean((2, 3)), hidden_states=tuple(maps))


def enlarged(pictures: Sequence[Image.Image], return_tensors: str = "pt") -> BatchFeature:
    """Pictures from -1 to 1 in the size that is looked at; between two pixels lies a mixture, as in pytorch-fid."""
    seen = []
    for picture in pictures:
        x_1CHW = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        seen.append(functional.interpolate(x_1CHW, (SIDE, SIDE), mode="bilinear", align_corners=False) * 2 - 1)
    return BatchFeature({"pixel_values": torch.cat(seen)}, tensor_type=return_tensors)


def open_inception(folder: Path) -> Inception:
    """The network with the weights of a folder."""
    network = Inception()
    try:
        given = load_file(folder / WEIGHTS)
        lost = [name for name, own in network.state_dict().items() if not _is_like(own, given.get(name), name)]
    except (OSError, SafetensorError) as error:
        raise BadConfig(f"{folder / WEIGHTS} is not read ({error}); write it again.") from error
    last = given.get("fc.weight")
    if lost or last is None or len(last) != CLASSES:
        found = f"{lost[0]} is not as it should be" if lost else f"its last layer is not one of {CLASSES} classes"
        raise BadConfig(
            f"{folder} holds no configuration of transformers, and no Inception by which FIDs are told: {found}. "
            f"Expected the tensors of pt_inception-2015-12-05 as {WEIGHTS}."
        )
    network.load_state_dict(given, strict=False)
    return network


def _is_like(own: Tensor, given: Tensor | None, name: str) -> bool:
    """Whether a tensor is there in its shape; how many batches a norm has seen is nothing to look with."""
    return name.endswith("num_batches_tracked") or (given is not None and given.shape == own.shape)

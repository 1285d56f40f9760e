"""Soft edges that a network finds (HED, Xie & Tu 2015), in the shape whose weights are known as `ControlNetHED`."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from counterfactory.errors import BadConfig, writing
from counterfactory.names import identity, model_folder
from counterfactory.training.arrays import array_path
from counterfactory.worker import Worker

LEVELS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each


class Level(nn.Module):
    """Some convolutions, and what they make of edges at their size."""

    def __init__(self, inside: int, channels: int, count: int) -> None:
        super().__init__()
        widths = [inside, *[channels] * (count - 1)]
        self.convs = nn.ModuleList(nn.Conv2d(width, channels, 3, padding=1) for width in widths)
        self.projection = nn.Conv2d(channels, 1, 1)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        for conv in self.convs:
            x_BCHW = functional.relu(conv(x_BCHW))
        return x_BCHW, self.projection(x_BCHW)


class EdgeNetwork(nn.Module):
    """Five levels, each half as large as the one before; edges are what all of them say together."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        inside = 3
        for number, (channels, count) in enumerate(LEVELS, 1):
            self.add_module(f"block{number}", Level(inside, channels, count))
            inside = channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """How sure it is of an edge (B, 1, H, W), of colours from 0 to 255."""
        inner, said = x_BCHW - self.norm, []
        for number in range(1, len(LEVELS) + 1):
            inner = functional.max_pool2d(inner, 2) if number > 1 else inner
            inner, edges = self.get_submodule(f"block{number}")(inner)
            said.append(functional.interpolate(edges, size=x_BCHW.shape[-2:], mode="bilinear", align_corners=False))
        return torch.stack(said).mean(0).sigmoid()


@torch.no_grad()
def edges_of(network: EdgeNetwork, picture: np.ndarray) -> np.ndarray:
    """Grey edges (H, W) of a picture (H, W, 3), both of 8 bits."""
    x_BCHW = torch.tensor(picture).permute(2, 0, 1)[None].to(network.norm)
    edges: np.ndarray = (network(x_BCHW)[0, 0] * 255).to("cpu", torch.uint8).numpy()
    return edges


def open_edge_network(model: str, worker: Worker) -> EdgeNetwork:
    """The network of a file, a folder or a hub id, for use; always in 32 bits, for it costs little."""
    path = _weights(model)
    tensors = load_file(path) if path.suffix == ".safetensors" else _converted(path, worker)
    network = EdgeNetwork()
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise BadConfig(
            f"{path} is no HED network: expected its {len(expected)} tensors, from norm to block5.projection.bias, "
            "as in ControlNetHED."
        )
    network.load_state_dict(tensors)
    return network.to(worker.device).eval().requires_grad_(False)


def _weights(name: str) -> Path:
    """The file that a name stands for: safetensors before a pickle."""
    if Path(name).is_file():
        return Path(name)
    folder = model_folder(name)
    found = [*sorted(folder.glob("*.safetensors")), *sorted(folder.glob("*HED*.pth"))]
    if not found:
        raise BadConfig(
            f"{folder} holds no weights of HED: expected a .safetensors file or ControlNetHED.pth, which hubs do not "
            "give here because it is a pickle; fetch it by hand and name the file."
        )
    return found[0]


def _converted(path: Path, worker: Worker) -> dict[str, Tensor]:
    """The tensors of a pickle that holds nothing else; kept in the workspace in a format that can hold nothing else."""
    kept = array_path(worker, "hed", identity(str(path))).with_suffix(".safetensors")
    if kept.exists():
        return load_file(kept)
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        named = {str(name): tensor.contiguous() for name, tensor in tensors.items()}
    except Exception as error:  # its many errors are one: the file is not what it should be
        raise BadConfig(
            f"{path} holds more than tensors, or is damaged, and is not read. Where you trust it, load it and write "
            "safetensors.torch.save_file(state_dict, 'hed.safetensors'); then name that file."
        ) from error
    with writing(kept.parent):
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        save_file(named, part)
        part.replace(kept)
    return named

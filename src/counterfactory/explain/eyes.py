"""What pictures look like to a network: by what middle layer says, two are near or far. Knows no classifier."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from counterfactory.classify.pictures import normalised
from counterfactory.classify.preparation import Preparation, read_preparation
from counterfactory.errors import BadConfig
from counterfactory.explain.answers import fitted, shown
from counterfactory.explain.step import Backbone, Vgg
from counterfactory.names import model_folder
from counterfactory.score import vision
from counterfactory.worker import Worker

Look = Callable[[Tensor], Tensor]
IMAGENET = Preparation(size=(1, 1), mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))  # of any size
HALVED = 0
VGG_19 = (64, 64, HALVED, 128, 128, HALVED, *[256] * 4, HALVED, *[512] * 4, HALVED, *[512] * 4, HALVED)


def open_eyes(eyes: Backbone | Vgg, worker: Worker) -> Look:
    """What turns pictures (B, 3, H, W) from -1 to 1 into what is compared (B, D), gradients and all."""
    return _vgg(eyes, worker) if isinstance(eyes, Vgg) else _backbone(eyes, worker)


def distance(seen_BD: Tensor, source_BD: Tensor) -> Tensor:
    """The mean square of what is seen otherwise, for each picture."""
    return (seen_BD - source_BD).square().mean(1)


def vgg(layers: int) -> nn.Sequential:
    """VGG-19 (Simonyan & Zisserman 2015) up to a layer, counted and named as torchvision does it."""
    built: list[nn.Module] = []
    channels = 3
    for width in VGG_19:
        if width == HALVED:
            built.append(nn.MaxPool2d(2))
        else:
            built += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*built[:layers])


def _vgg(eyes: Vgg, worker: Worker) -> Look:
    """Pictures as large as they are."""
    network = vgg(eyes.layers)
    weights = _weights(Path(eyes.weights))
    known = {name.removeprefix("features."): tensor for name, tensor in weights.items()}
    for name, wanted in network.state_dict().items():
        if name not in known or known[name].shape != wanted.shape:
            raise BadConfig(
                f"{eyes.weights} lacks {name!r} of the shape {list(wanted.shape)}; expected VGG-19 with torchvision's "
                "names."
            )
    network.load_state_dict({name: known[name] for name in network.state_dict()})
    network = network.to(worker.device, worker.torch_dtype()).eval().requires_grad_(False)

    def look(x_BCHW: Tensor) -> Tensor:
        seen: Tensor = network(normalised(shown(x_BCHW), IMAGENET).to(worker.torch_dtype()))
        return seen.to(x_BCHW.dtype).flatten(1)

    return look


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadConfig(f"{path} is no safetensors file with the weights of VGG-19 ({error}).") from error


def _backbone(eyes: Backbone, worker: Worker) -> Look:
    """Pictures in the size that the model learnt from."""
    folder = model_folder(eyes.name)
    tower, preparation = vision.open_eyes(folder, worker.device, worker.torch_dtype()).tower, read_preparation(folder)

    def look(x_BCHW: Tensor) -> Tensor:
        prepared = normalised(fitted(shown(x_BCHW), preparation), preparation).to(worker.torch_dtype())
        layers: tuple[Tensor, ...] = tower(pixel_values=prepared, output_hidden_states=True).hidden_states
        number = (len(layers) - 1) // 2 if eyes.layer is None else eyes.layer
        if number >= len(layers):
            raise BadConfig(f"eyes.layer: {number}, but {eyes.name} has layers 0 to {len(layers) - 1}.")
        return layers[number].to(x_BCHW.dtype).flatten(1)

    return look

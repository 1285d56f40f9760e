"""Draws with a diffusion model of pixels as diffusers has them: of classes or of none, by any of its schedulers.

Each picture has its own generator, label and guidance, so it is the same whatever it is drawn beside.
"""

import inspect
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.diffusion.drawing import Predictor
from counterfactory.diffusion.fits import reading, refuse_pickles
from counterfactory.diffusion.frames import Grid, Size, guiding
from counterfactory.diffusion.painting import Drawn
from counterfactory.diffusion.placing import compiled, quicken
from counterfactory.diffusion.schedulers import scheduler_like
from counterfactory.errors import BadConfig
from counterfactory.types import Request
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.diffusion.pixel_engine import DrawPixels

CLASSES = "classes.json"  # the names of the classes that a network of ours knows; after them it knows no class
PREDICTIONS = ("epsilon", "v_prediction", "sample")
UNHEEDED = ("strength", "controls", "image_prompt", "negative_prompt", "noise")  # of a request


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelParts:
    """What draws: a `UNet2DModel`, the scheduler whose settings count, and the labels that the network knows."""

    network: Any
    scheduler: Any
    classes: int = 0
    nothing: int | None = None  # the label that it was told in place of those that were left out

    def labels(self, requests: Sequence[Request], halves: int) -> Tensor | None:
        """What the network is told of each picture: in two halves first nothing, then its class."""
        if not self.classes:
            return None
        said = [self.nothing if request.label is None else request.label for request in requests]
        return torch.tensor([self.nothing] * len(said) * (halves - 1) + said, device=self.network.device)


@torch.no_grad()
def draw_pixels(parts: PixelParts, requests: Sequence[Request], size: Size, steps: int, eta: float = 0.0) -> Tensor:
    """Pictures (B, C, H, W) from -1 to 1, of any size: a margin is drawn with what the network cannot halve."""
    network, (width, height) = parts.network, size
    scheduler = type(parts.scheduler).from_config(parts.scheduler.config)
    scheduler.set_timesteps(steps, device=network.device)
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    shape = (network.config.in_channels, *(whole(side, halvings(network)) for side in (height, width)))
    noise = torch.stack([torch.randn(shape, generator=own) for own in generators]).to(network.device)
    x_BCHW, predict = noise * scheduler.init_noise_sigma, _predictor(parts, scheduler, requests)
    takes = inspect.signature(scheduler.step).parameters
    own = {name: value for name, value in {"generator": generators, "eta": eta}.items() if name in takes}
    for time in scheduler.timesteps:
        x_BCHW = scheduler.step(predict(x_BCHW, time), time, x_BCHW, **own).prev_sample
    return without_margin(x_BCHW, size).clamp(-1, 1)


def _predictor(parts: PixelParts, scheduler: Any, requests: Sequence[Request]) -> Predictor:
    """The guided prediction at a time; where every guidance is 1, which is the class alone, there is no other half."""
    network, channels = parts.network, parts.network.config.in_channels
    halves = 1 if all(request.guidance == 1 for request in requests) else 2
    labels = parts.labels(requests, halves)
    guidance = torch.tensor([request.guidance for request in requests], device=network.device)[:, None, None, None]
    power = scheduler.alphas_cumprod.to(network.device)
    takes_variance = type(scheduler).__name__ == "DDPMScheduler"  # others have no use for it, and most trip over it

    def predict(x_BCHW: Tensor, time: Tensor) -> Tensor:
        noisy = scheduler.scale_model_input(x_BCHW, time)
        told = {} if labels is None else {"class_labels": labels}
        said = network(noisy.repeat(halves, 1, 1, 1).to(network.dtype), time, **told).sample.to(x_BCHW)
        means, variances = said[:, :channels], said[-len(x_BCHW) :, channels:]
        if halves == 2:
            without, with_class = means.chunk(2)
            means = without + guidance * (with_class - without)
        means = bounded(means, noisy, power[time.round().long()], scheduler.config.prediction_type)
        return torch.cat([means, variances], 1) if takes_variance else means

    return predict


def bounded(said: Tensor, noisy: Tensor, power: Tensor, kind: str) -> Tensor:
    """A prediction by which no clean pixel is beyond what a pixel can be, said as it was: strong guidance goes far."""
    signal, noise = power.sqrt(), (1 - power).sqrt()
    if kind == "epsilon":
        clean = ((noisy - noise * said) / signal).clamp(-1, 1)
        return (noisy - signal * clean) / noise
    if kind == "v_prediction":
        clean = (signal * noisy - noise * said).clamp(-1, 1)
        return (signal * noisy - clean) / noise
    return said.clamp(-1, 1)


def halvings(network: Any) -> int:
    """What the sides of a network's pictures are multiples of."""
    return int(2 ** (len(network.config.block_out_channels) - 1))


def whole(side: int, factor: int) -> int:
    """The next multiple."""
    return -(-side // factor) * factor


def with_margin(x_BCHW: Tensor, factor: int) -> Tensor:
    """Pictures whose edges are drawn out to the next multiple of a factor, evenly on both sides."""
    (top, bottom), (left, right) = (_margins(side, whole(side, factor)) for side in x_BCHW.shape[2:])
    return functional.pad(x_BCHW, (left, right, top, bottom), mode="replicate")


def without_margin(x_BCHW: Tensor, size: Size) -> Tensor:
    """The other way round."""
    (width, height), (tall, wide) = size, x_BCHW.shape[2:]
    top, left = _margins(height, tall)[0], _margins(width, wide)[0]
    return x_BCHW[:, :, top : top + height, left : left + width]


def _margins(inner: int, outer: int) -> tuple[int, int]:
    before = (outer - inner) // 2
    return before, outer - inner - before


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelPainter:
    """A `Painter` of such a model."""

    parts: PixelParts
    steps: int
    eta: float

    @property
    def grid(self) -> Grid:
        return Grid(factor=1, side=self._size[0])

    @property
    def _size(self) -> Size:
        said = self.parts.network.config.sample_size
        height, width = (said, said) if isinstance(said, int) else said
        return width, height

    def accept(self, request: Request) -> Request:
        """The request as it is drawn, or one sentence on the first thing that this model cannot do."""
        if unheeded := [name for name in UNHEEDED if getattr(request, name) not in (None, (), "")]:
            raise BadConfig(f"{unheeded[0]}: a model of pixels heeds label, seed, guidance and size; leave it out.")
        if request.size is None and guiding(request) is None:
            request = replace(request, size=self._size)
        classes, nothing = self.parts.classes, self.parts.nothing
        if request.label is None:
            if classes and nothing is None:
                raise BadConfig(f"label: this model draws its {classes} classes and nothing else; give 0 to that many.")
            return replace(request, guidance=1.0)  # towards nothing in particular
        if not classes:
            raise BadConfig(f"label: {request.label} is asked of a model that knows no classes; leave the label out.")
        if not 0 <= request.label < classes:
            raise BadConfig(f"label: {request.label}, but this model knows {classes} classes; give 0 to {classes - 1}.")
        if nothing is None and request.guidance != 1:
            raise BadConfig(
                f"guidance: {request.guidance} needs a model that learnt to draw without a class too, which this one "
                "does not say of itself; give a guidance of 1."
            )
        return request

    def alike(self, request: Request) -> Hashable:
        """Whether it takes one half or two."""
        return request.guidance == 1

    def draw(self, requests: Sequence[Request], size: Size) -> Drawn:
        """Pictures of three colours, whatever the model has."""
        drawn = draw_pixels(self.parts, requests, size, self.steps, self.eta)
        return Drawn(pictures=drawn.expand(-1, 3, -1, -1), flagged=[False] * len(requests))


def open_pixel_painter(step: "DrawPixels", folder: Path, worker: Worker) -> PixelPainter:
    """The model of a folder on a worker's device, its parts in folders of their own or all in one."""
    import diffusers

    networks: Any = diffusers.UNet2DModel
    place, beside = (folder / name if (folder / name).is_dir() else folder for name in ("unet", "scheduler"))
    refuse_pickles(place)
    with reading(folder):
        name = json.loads((beside / "scheduler_config.json").read_text("utf-8"))["_class_name"]
        if not hasattr(diffusers, name):
            raise ValueError(f"diffusers has no scheduler {name!r}")
        own = getattr(diffusers, name).from_pretrained(beside)
        network = networks.from_pretrained(place, use_safetensors=True, torch_dtype=worker.torch_dtype())
    _refuse_others(folder, network.config, own, step.steps)
    network.to(worker.device).eval().requires_grad_(False)
    quicken(worker, network)
    compiled(worker, network)
    classes, nothing = _known(folder, network.config.num_class_embeds)
    parts = PixelParts(
        network=network, scheduler=scheduler_like(own, step.scheduler, step.eta), classes=classes, nothing=nothing
    )
    return PixelPainter(parts=parts, steps=step.steps, eta=step.eta)


def _refuse_others(folder: Path, network: Any, scheduler: Any, steps: int) -> None:
    """One sentence on the first thing that keeps a model from being drawn from."""
    told, made = network.in_channels, network.out_channels
    is_gaussian = hasattr(scheduler, "alphas_cumprod") and scheduler.config.prediction_type in PREDICTIONS
    if told not in (1, 3) or made not in (told, 2 * told):
        strange = f"its network takes {told} channels and makes {made}; expected 1 or 3, and as many or twice as many"
    elif network.class_embed_type is not None:
        strange = f"its network is told classes as {network.class_embed_type!r}; expected numbers (num_class_embeds)"
    elif network.sample_size is None:
        strange = "its network does not say how large its pictures are (sample_size)"
    elif not is_gaussian:
        strange = f"its noise is that of a {type(scheduler).__name__}; expected one as in DDPM or DDIM"
    elif steps > scheduler.config.num_train_timesteps:
        strange = f"{steps} steps were asked for and it learnt {scheduler.config.num_train_timesteps}; ask for no more"
    else:
        return
    raise BadConfig(f"The model of pixels in {folder} is not drawn from: {strange}.")


def _known(folder: Path, labels: int | None) -> tuple[int, int | None]:
    """How many classes a network knows, and the label that stands for none."""
    path = folder / CLASSES
    if labels is None or not path.exists():
        return labels or 0, None
    names = json.loads(path.read_text("utf-8"))
    if len(names) + 1 != labels:
        raise BadConfig(f"{path} names {len(names)} classes, and the network beside it knows {labels} labels.")
    return len(names), len(names)

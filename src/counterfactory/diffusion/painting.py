"""Draws requests of one size with a pipeline like Stable Diffusion's or SDXL's, and says what it cannot draw."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from counterfactory.diffusion.adapted import folder_of
from counterfactory.diffusion.class_encoder import listed
from counterfactory.diffusion.conditions import follower
from counterfactory.diffusion.drawing import Parts, by_class, drawn_latents, open_parts, size_factor
from counterfactory.diffusion.encodings import Encodings
from counterfactory.diffusion.frames import Grid, Size
from counterfactory.diffusion.latents import decode
from counterfactory.diffusion.placing import Placing, compiled, placing, quicken, spare
from counterfactory.diffusion.schedulers import scheduler_like, steps_left
from counterfactory.diffusion.seeing import with_classes, with_controls, with_image_prompts, with_tokens
from counterfactory.diffusion.spelling import refuse_unlearnt
from counterfactory.errors import BadConfig
from counterfactory.training.pictures import to_pixels
from counterfactory.types import Request
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.diffusion.engine import Diffuse


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Pictures (B, 3, H, W) from -1 to 1, and which of them a safety checker objects to."""

    pictures: Tensor
    flagged: Sequence[bool]


class Painter(Protocol):
    """An opened pipeline. Requests of one size of which `alike` says the same are drawn together."""

    @property
    def grid(self) -> Grid: ...

    def accept(self, request: Request) -> Request: ...

    def alike(self, request: Request) -> Hashable: ...

    def draw(self, requests: Sequence[Request], size: Size) -> Drawn: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentPainter:
    """A `Painter` that runs our own loop."""

    parts: Parts
    encodings: Encodings
    placing: Placing
    steps: int
    eta: float = 0.0

    @property
    def grid(self) -> Grid:
        factor = size_factor(self.parts)
        classes = self.parts.classes and self.parts.classes.settings.size
        return Grid(factor=factor, side=self.parts.unet.config.sample_size * factor, by_class=classes)

    @property
    def fills_holes(self) -> bool:
        """Whether the network takes a source with a hole, and draws nothing without one."""
        return bool(self.parts.unet.config.in_channels > self.parts.autoencoder.config.latent_channels)

    def accept(self, request: Request) -> Request:
        """The request as it is drawn, or one sentence on the first thing that this pipeline cannot do."""
        refuse_strength(request)
        for control in request.controls:
            if control.kind not in self.parts.controls:
                known = ", ".join(sorted(self.parts.controls)) or "none"
                raise BadConfig(
                    f"controls: {control.kind!r} is asked for and the engine has no ControlNet for it, but for: "
                    f"{known}; name one that was trained beside this pipeline in its field `controls`."
                )
        if request.image_prompt and self.parts.image_encoder is None:
            raise BadConfig(
                "image_prompt: a picture is to be heeded and the engine has no IP-Adapter; "
                "name one that was trained beside this pipeline in its field `image_prompts`."
            )
        refuse_unlearnt(request, self.parts.readers)
        if by_class(self.parts, request):
            refuse_unknown(request, self.parts.classes.settings.classes)
        if not self.fills_holes:
            return request
        if not (request.source and request.mask):
            raise BadConfig(
                "mask: this pipeline only paints into holes and was given none; give a source and a mask, "
                "or take the pipeline that it was made from."
            )
        return request if request.strength is not None else replace(request, strength=1.0)

    def alike(self, request: Request) -> Hashable:
        """What of a request says how much there is to do."""
        begins = None
        if request.strength is not None:
            begins = (steps_left(self.steps, request.strength), request.mask is not None)
        kinds = tuple(sorted(control.kind for control in request.controls))
        return begins, kinds, request.image_prompt is not None, request.guidance == 1, by_class(self.parts, request)

    @torch.no_grad()
    def draw(self, requests: Sequence[Request], size: Size) -> Drawn:
        """Each network comes to the device for its part of the work."""
        asked = [replace(request, size=size) for request in requests]
        seen, canvas = self.encodings.seen(asked, size), self.encodings.canvas(asked, size)
        with self.placing.at_work(self.parts.unet, *self.parts.controls.values()):
            latents = drawn_latents(self.parts, asked, self.steps, canvas, seen, self.eta)
        with self.placing.at_work(self.parts.autoencoder):
            pictures = decode(self.parts.autoencoder, latents)
        return Drawn(pictures=pictures, flagged=self._flagged(pictures))

    def _flagged(self, pictures: Tensor) -> Sequence[bool]:
        checker, prepare = self.parts.safety_checker, self.parts.feature_extractor
        if checker is None or prepare is None:
            return [False] * len(pictures)
        shown = prepare(list(to_pixels(pictures)), return_tensors="pt").pixel_values
        with self.placing.at_work(checker):
            _, flagged = checker(
                images=torch.zeros(len(pictures), 1), clip_input=shown.to(self.placing.device, checker.dtype)
            )
        return list(map(bool, flagged))


def refuse_strength(request: Request) -> None:
    """A strength says how far a drawing goes from its source: it needs one, and lies between 0 and 1."""
    if request.strength is None:
        return
    if request.source is None:
        raise BadConfig("strength: it says how far a drawing goes from its source, and there is none; give a source.")
    if not 0 <= request.strength <= 1:
        raise BadConfig(f"strength: {request.strength} is not between 0, the source, and 1, all of it drawn anew.")


def refuse_unknown(request: Request, classes: Sequence[str]) -> None:
    """A class that was not learnt, or words against a picture that no words are said for."""
    if request.label not in range(len(classes)):
        raise BadConfig(f"label: {request.label} is none of the {listed(classes)} that this adaptation learnt.")
    if request.negative_prompt:
        raise BadConfig("negative_prompt: what is drawn by its class has no words; leave it out, or say a prompt too.")


def open_painter(step: "Diffuse", folder: Path, worker: Worker) -> LatentPainter:
    """The pipeline of a folder and what a step names beside it, on a worker's device or waiting for its turn."""
    place = placing(worker)
    parts = open_parts(str(folder), place.waits, worker.torch_dtype(), safety_checker=True)
    spare(worker, parts.unet, parts.autoencoder)
    parts = replace(parts, scheduler=scheduler_like(parts.scheduler, step.scheduler, step.eta))
    parts = with_controls(parts, step.controls)
    if step.image_prompts:
        parts = with_image_prompts(parts, step.image_prompts)
    if step.tokens:
        parts = with_tokens(parts, folder_of(step.tokens, worker))
    if step.classes:
        parts = with_classes(parts, step.classes.folder(worker))
    quicken(worker, parts.unet, parts.autoencoder, *parts.controls.values())
    compiled(worker, parts.unet, *map(follower, parts.controls.values()))
    at_once = 1 if worker.deterministic else worker.batch_size
    encodings = Encodings(parts, worker.pixels, place, at_once)
    return LatentPainter(parts=parts, encodings=encodings, placing=place, steps=step.steps, eta=step.eta)

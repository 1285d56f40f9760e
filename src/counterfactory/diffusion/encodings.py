"""What networks make of the texts and pictures that requests name: each once, and remembered while there is room."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.diffusion.canvas import Canvas
from counterfactory.diffusion.conditions import Seen
from counterfactory.diffusion.controls import control_pictures, hole
from counterfactory.diffusion.drawing import Parts, sayings
from counterfactory.diffusion.frames import Size
from counterfactory.diffusion.image_encoder import embedded
from counterfactory.diffusion.latents import encode
from counterfactory.diffusion.placing import Placing
from counterfactory.diffusion.prompts import Words, understood
from counterfactory.diffusion.recent import Recent
from counterfactory.diffusion.spelling import Saying
from counterfactory.pixels import Pixels
from counterfactory.training.pictures import to_tensor
from counterfactory.types import Address, Request

Hole = tuple[Address, bool]  # a mask, and whether what it marks stays
Looked = tuple[Address, Size, Hole | None]  # a source, all of it or without its hole

ROOM = 256 * 2**20  # bytes for each sort


class Encodings:
    """All that one opened pipeline was told and shown. `at_once` inputs share a call of a network."""

    def __init__(self, parts: Parts, pixels: Pixels, placing: Placing, at_once: int) -> None:
        self._parts, self._pixels, self._placing, self._at_once = parts, pixels, placing, at_once
        self._texts: Recent[Saying, Words] = Recent(ROOM)
        self._layouts: Recent[tuple[str, Address, Size], Tensor] = Recent(ROOM)
        self._prompts: Recent[Address, Tensor] = Recent(ROOM)
        self._latents: Recent[Looked, Tensor] = Recent(ROOM)

    def seen(self, requests: Sequence[Request], size: Size) -> Seen:
        """Texts, layouts and image prompts of requests that are drawn in one size."""
        texts = [said for request in requests for said in sayings(self._parts, request)]
        controls = [(control.kind, control.image, size) for request in requests for control in request.controls]
        prompts = [request.image_prompt for request in requests if request.image_prompt]
        return Seen(
            texts=self._texts.each(texts, self._read, self._at_once),
            controls={name[:2]: one for name, one in self._layouts.each(controls, self._lay_out, 1).items()},
            image_prompts=self._prompts.each(prompts, self._look_at, 1) if self._parts.image_encoder else {},
        )

    def canvas(self, requests: Sequence[Request], size: Size) -> Canvas | None:
        """The sources of requests that are drawn from them, all of them in part or none."""
        holes = [(request.mask, request.keeps_masked) for request in requests if request.mask]
        sources: list[Looked] = [(r.source, size, None) for r in requests if r.source and r.strength is not None]
        if not sources:
            return None
        found = self._latents.each(sources, self._encode, self._at_once)
        latents = torch.stack([found[one] for one in sources])
        if len(holes) < len(requests):
            return Canvas(latents=latents)
        mask = torch.stack([self._hole(one, size) for one in holes])[:, None].to(latents)
        small = functional.interpolate(mask, size=latents.shape[-2:])  # the nearest, as diffusers does
        if self._parts.unet.config.in_channels == latents.shape[1]:
            return Canvas(latents=latents, mask=small)
        holed: list[Looked] = [(source, size, one) for (source, _, _), one in zip(sources, holes, strict=True)]
        kept = self._latents.each(holed, self._encode, self._at_once)
        return Canvas(latents=latents, mask=small, kept=torch.stack([kept[one] for one in holed]))

    def _hole(self, one: Hole, size: Size) -> Tensor:
        mask, keeps_masked = one
        return torch.from_numpy(hole(mask, self._pixels, size, keeps_masked))

    def _read(self, texts: list[Saying]) -> list[Words]:
        readers, classes = self._parts.readers, self._parts.classes
        at_work = [reader.encoder for reader in readers] + [classes] * (classes is not None)
        with self._placing.at_work(*at_work):
            return understood(readers, texts, self._parts.unet.dtype, classes)

    def _lay_out(self, named: list[tuple[str, Address, Size]]) -> Sequence[Tensor]:
        ((kind, address, size),) = named
        return list(control_pictures(kind, [address], self._pixels, size))

    def _look_at(self, addresses: list[Address]) -> Sequence[Tensor]:
        # pictures of any shape: each is prepared in its own, as its encoder wants it
        pictures = [np.asarray(self._pixels.image(address))[None] for address in addresses]
        with self._placing.at_work(self._parts.image_encoder):
            return [embedded(self._parts.image_encoder, picture)[0] for picture in pictures]

    def _encode(self, named: list[Looked]) -> Sequence[Tensor]:
        pictures = to_tensor(np.concatenate([self._pixels.arrays([source], size) for source, size, _ in named]))
        for picture, (_, size, without) in zip(pictures, named, strict=True):
            if without:
                picture[:, self._hole(without, size)] = 0
        with self._placing.at_work(self._parts.autoencoder):
            return list(encode(self._parts.autoencoder, pictures.to(self._placing.device)).to(self._parts.unet.dtype))

"""From pixels that were drawn to a sample in the workspace, or to the reason why it is none. Knows no network."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from counterfactory.diffusion.controls import hole
from counterfactory.diffusion.frames import Frame, Size, size_of
from counterfactory.pixels import encode_png
from counterfactory.types import Address, Failed, Origin, Plain, Request, Sample
from counterfactory.worker import Worker

PLAIN = 1.0  # of 255: a picture of which no colour deviates more from its mean shows nothing


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What the pictures of one engine have in common."""

    worker: Worker
    model: str

    def __call__(self, drawn: np.ndarray, request: Request, frame: Frame) -> Sample | Failed:
        """A picture (H, W, 3) in the size that it is given back in, with its mask and how it was made."""
        if drawn.std((0, 1)).max() < PLAIN:
            return Failed("", "the drawing is blank: one colour from edge to edge")
        image = _resized(Image.fromarray(drawn), frame.shown)
        if request.source and request.mask and request.strength is not None:
            drawn_anew = hole(request.mask, self.worker.pixels, image.size, request.keeps_masked)
            image = self._laid_on(image, request.source, drawn_anew)
        return Sample(
            image=Address(self.worker.blobs.put(encode_png(image))),
            target=request.label,
            mask=self._mask(request, frame.shown),
            caption=request.prompt,
            origin=Origin(
                parent=request.source.digest if request.source else None,
                prompt=request.prompt,
                seed=request.seed,
                model=self.model,
                settings=_settings(request),
            ),
        )

    def _laid_on(self, image: Image.Image, source: Address, drawn_anew: np.ndarray) -> Image.Image:
        """The drawing where the source is drawn anew, and the source's own pixels where it is not."""
        under = _resized(self.worker.pixels.image(source), image.size)
        return Image.fromarray(np.where(drawn_anew[..., None], np.asarray(image), np.asarray(under)))

    def _mask(self, request: Request, size: Size) -> Address | None:
        """The mask that came with the request, or its layout where that is one; in the picture's size."""
        layout = next((control.image for control in request.controls if control.kind == "masks"), None)
        mask = request.mask or layout
        if mask is None or size_of(self.worker, mask) == size:
            return mask
        resized = self.worker.pixels.stored(mask).resize(size, Image.Resampling.NEAREST)
        return Address(self.worker.blobs.put(encode_png(resized)))


def _settings(request: Request) -> dict[str, Plain]:
    """What a request said besides pictures, prompt and seed, as far as the drawing heeded it."""
    noise, after, strength = request.noise, request.image_prompt, request.strength
    said: dict[str, Plain] = {
        "guidance": request.guidance,
        "negative prompt": request.negative_prompt or None,
        "strength": strength,
        "drawn anew": _drawn_anew(request) if strength is not None else None,
        "image prompt": after.digest if after else None,
        "image prompt scale": request.image_prompt_scale if after else None,
        "token noise": noise.deviation if noise else None,
        "token noise seed": noise.seed if noise else None,
        "token noise is relative": noise.relative or None if noise else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _drawn_anew(request: Request) -> str | None:
    if request.mask is None:
        return None
    return "all but what is marked" if request.keeps_masked else "what is marked"


def _resized(image: Image.Image, size: Size) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

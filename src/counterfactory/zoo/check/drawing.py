"""Draws what a check asks for, once each: pictures that a killed check need not draw again."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image
from pydantic import BaseModel

from counterfactory.names import ModelName
from counterfactory.pixels import encode_png
from counterfactory.types import Address, Failed, Origin, Request, Sample
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.diffusion.drawing import Parts


class Draw(BaseModel, frozen=True, extra="forbid"):
    """A request to a sample: what a pipeline, with the ControlNets and the IP-Adapter that are named, draws."""

    version: ClassVar[int] = 1

    model: ModelName
    steps: int
    edges: ModelName | None = None
    masks: ModelName | None = None
    adapter: ModelName | None = None

    def load(self, worker: Worker) -> Callable[[Sequence[Request]], list[Sample | Failed]]:
        parts = opened(self, worker)

        def draw(requests: Sequence[Request]) -> list[Sample | Failed]:
            drawn: dict[int, Sample | Failed] = {}
            numbered = sorted(enumerate(requests), key=lambda pair: _kind(pair[1]))
            for _, group in groupby(numbered, key=lambda pair: _kind(pair[1])):
                numbers, same = zip(*group, strict=True)
                images = _drawn(parts, same, self.steps, worker)
                kept = [kept_sample(image, r, self.model, worker) for image, r in zip(images, same, strict=True)]
                drawn.update(zip(numbers, kept, strict=True))
            return [drawn[number] for number in range(len(requests))]

        return draw


def opened(step: Draw, worker: Worker) -> "Parts":
    """The networks that a step draws with."""
    from counterfactory.diffusion.drawing import open_parts
    from counterfactory.diffusion.seeing import with_controls, with_image_prompts

    parts = open_parts(step.model, worker.device, worker.torch_dtype())
    controls = {kind: name for kind, name in (("edges", step.edges), ("masks", step.masks)) if name}
    parts = with_controls(parts, controls) if controls else parts
    return with_image_prompts(parts, step.adapter) if step.adapter else parts


def kept_sample(image: Image.Image, request: Request, model: str, worker: Worker) -> Sample:
    """A drawn picture in the workspace, with what was asked for."""
    return Sample(
        image=Address(worker.blobs.put(encode_png(image))),
        target=request.label,
        caption=request.prompt,
        origin=Origin(
            parent=request.source.digest if request.source else None,
            prompt=request.prompt,
            seed=request.seed,
            model=model,
        ),
    )


def _kind(request: Request) -> tuple[Any, ...]:
    """What requests that are drawn together must share."""
    return (request.source is not None, request.strength or 0.0, request.size or (0, 0))


def _drawn(parts: "Parts", requests: Sequence[Request], steps: int, worker: Worker) -> list[Image.Image]:
    from counterfactory.diffusion.drawing import draw, picture_size
    from counterfactory.diffusion.seeing import see
    from counterfactory.training.pictures import to_pixels, to_tensor

    given = [request.source for request in requests if request.source]
    size = picture_size(parts, requests[0])
    sources = to_tensor(worker.pixels.arrays(given, size)) if given else None
    x_BCHW = draw(parts, requests, steps, sources, see(parts, requests, worker.pixels))
    return [Image.fromarray(pixels) for pixels in to_pixels(x_BCHW)]

"""The step that makes layouts which need a network to be seen: soft edges or depth, once for each image."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field

from counterfactory.diffusion.frames import refuse_small
from counterfactory.names import ModelName, model_folder
from counterfactory.pixels import encode_png
from counterfactory.types import Address, Sample
from counterfactory.worker import Worker

MULTIPLE = 64  # of pixels that sides are rounded to, as the networks were shown pictures


class Layout(BaseModel, frozen=True, extra="forbid"):
    """An image, or a sample's, to the picture of its layout: what a `Control` of the kind names."""

    version: ClassVar[int] = 1

    kind: Literal["hed", "depth"]
    model: ModelName  # a file or folder of HED's weights; a depth model of transformers
    side: Annotated[int, Field(ge=MULTIPLE)] = 512  # that the shorter side has while it is looked at

    def load(self, worker: Worker) -> Callable[[Sequence[Sample | Address]], list[Address]]:
        find = self._finder(worker)

        def lay_out(items: Sequence[Sample | Address]) -> list[Address]:
            addresses = [item.image if isinstance(item, Sample) else item for item in items]
            return [self._kept(find, worker, address) for address in addresses]

        return lay_out

    def _finder(self, worker: Worker) -> Callable[[np.ndarray], np.ndarray]:
        if self.kind == "depth":
            from counterfactory.diffusion.depth import open_depth_model

            return open_depth_model(model_folder(self.model), worker).depth_of
        from counterfactory.diffusion.hed import edges_of, open_edge_network

        network = open_edge_network(self.model, worker)
        return lambda picture: edges_of(network, picture)

    def _kept(self, find: Callable[[np.ndarray], np.ndarray], worker: Worker, address: Address) -> Address:
        """The layout of one image, as large as it was looked at."""
        image = worker.pixels.image(address)
        refuse_small(self.kind, address, image.size)
        scale = self.side / min(image.size)
        width, height = (max(MULTIPLE, round(pixels * scale / MULTIPLE) * MULTIPLE) for pixels in image.size)
        seen = find(np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)))
        return Address(worker.blobs.put(encode_png(Image.fromarray(seen))))

"""A segmenter under test: the class that it sees at each pixel, and how that overlaps with the truth."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from counterfactory.classify.labels import Matching, match
from counterfactory.classify.masks import VOID, class_mask
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import digest
from counterfactory.names import ModelName, model_folder
from counterfactory.pixels import encode_png
from counterfactory.types import Address, Artifact, Failed, Sample
from counterfactory.worker import Worker

if TYPE_CHECKING:
    from counterfactory.classify.segmenter import Segmenter

Ask = Callable[[Sequence[Sample]], list[dict[str, Any] | Failed]]


class SegmenterUnderTest(BaseModel, frozen=True, extra="forbid"):
    """For each image `mask`, the address of the found classes at the image's size (255: none of the data's), and
    `counts` (3, C), the pixels of each class that are found where they are, that there are, and that are found."""

    version: ClassVar[int] = 2

    model: Artifact | ModelName
    classes: tuple[str, ...]  # see `masks.mask_classes`
    labels: Mapping[str, str] = {}  # the model's names to the data's, where they differ

    def load(self, worker: Worker) -> Ask:
        if len(self.classes) >= VOID:
            raise BadConfig(f"There are {len(self.classes)} classes; a mask tells at most {VOID - 1} of them.")
        segmenter, matching = self._opened(worker)

        def ask(samples: Sequence[Sample]) -> list[dict[str, Any] | Failed]:
            found = _masks(segmenter, matching, worker, samples)
            return [self._answer(sample, mask, worker) for sample, mask in zip(samples, found, strict=True)]

        return ask

    def notices(self, worker: Worker) -> tuple[str, ...]:
        """What a person should know before it is asked; says at once what cannot be."""
        return tuple(filter(None, [self._opened(worker)[1].notice]))

    def _opened(self, worker: Worker) -> tuple["Segmenter", Matching]:
        from counterfactory.classify.segmenter import open_segmenter

        folder = worker.artifact(self.model) if isinstance(self.model, Artifact) else model_folder(self.model)
        segmenter = open_segmenter(folder, worker.device, worker.torch_dtype())
        return segmenter, match(segmenter.classes, segmenter.outputs, self.classes, self.labels)

    def _answer(self, sample: Sample, found: NDArray[np.uint8], worker: Worker) -> dict[str, Any] | Failed:
        try:
            true = class_mask(sample, worker.pixels, self.classes)
        except BadData as error:
            return Failed("", str(error))
        if true.shape != found.shape:
            sizes = [f"{width} x {height}" for height, width in (true.shape, found.shape)]
            return Failed("", f"The mask of {sample.image.place} has {sizes[0]} pixels and the image {sizes[1]}.")
        data = encode_png(Image.fromarray(found))
        worker.blobs.put(data)
        return {"mask": Address(digest(data)), "counts": counted(true, found, len(self.classes))}


def counted(true: NDArray[np.integer], found: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Pixels of each class (3, C) that are found where they are, that there are, and that are found; void ones out."""
    known = true != VOID
    true, found = true[known], found[known]
    each = [np.bincount(part, minlength=VOID + 1)[:classes] for part in (true[true == found], true, found)]
    return np.stack(each).astype(np.int64)


def _masks(
    segmenter: "Segmenter", matching: Matching, worker: Worker, samples: Sequence[Sample]
) -> list[NDArray[np.uint8]]:
    """The likeliest class of the data at each pixel of each image, `VOID` where another one is likelier."""
    import torch

    from counterfactory.classify.exact import exact
    from counterfactory.classify.pictures import floats, normalised
    from counterfactory.classify.segmenter import sized

    pixels = segmenter.preparation.arrays(worker.pixels, [sample.image for sample in samples])
    x_BCHW = normalised(floats(torch.from_numpy(pixels).permute(0, 3, 1, 2), worker.device), segmenter.preparation)
    with torch.inference_mode(), exact(worker):
        shares_BCHW = segmenter.module(x_BCHW.to(worker.torch_dtype())).logits.float().softmax(1)
    merged = matching.merged(shares_BCHW.permute(0, 2, 3, 1).cpu().numpy())
    answers = []
    for shares_HWC, sample in zip(merged, samples, strict=True):
        width, height = worker.pixels.image(sample.image).size
        whole = sized(torch.from_numpy(shares_HWC).permute(2, 0, 1)[None], (height, width))[0].argmax(0).numpy()
        answers.append(np.where(whole < matching.classes, whole, VOID).astype(np.uint8))
    return answers

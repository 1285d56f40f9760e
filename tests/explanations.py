"""Explanations of Diorama without a search: scenes, each truly drawn with another class."""

from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageFilter

from counterfactory.data.diorama import read
from counterfactory.data.diorama.place import image_address, scene_at, size_at
from counterfactory.data.diorama.world import changed
from counterfactory.pixels import encode_png
from counterfactory.recipes.explained import Answers, Explained, explained
from counterfactory.run import Run
from counterfactory.types import Address, Collection, Explanation, Origin, Question, Sample
from counterfactory.worker import Worker


def opened(workspace: Path, name: str = "made") -> Run:
    return Run(workspace / name, Worker(workspace=workspace, processes=1))


def scenes(number: int) -> Collection:
    return read(f"train=8,validation=8,test={number},seed=3")


def explanations(run: Run, data: Collection, traced: bool = False, held: int = 1) -> list[Explained]:
    """One of each test image; the first `held` did not flip."""
    test = data.splits["test"]
    asked = [(s, Question(image=s.image, wanted=_other(s, len(test.classes)))) for s in test.samples]
    found = [_explanation(run, s, q, test.classes, (i >= held, traced)) for i, (s, q) in enumerate(asked)]
    return explained(run, asked, found, Answers(names=test.classes), test)


def _other(sample: Sample, classes: int) -> int:
    assert isinstance(sample.target, int)
    return (sample.target + 1) % classes


def _explanation(
    run: Run, source: Sample, question: Question, classes: tuple[str, ...], how: tuple[bool, bool]
) -> Explanation:
    flips, traced = how
    scene, side = scene_at(source.image.place), size_at(source.image.place)
    other = changed(scene, kind=classes[question.wanted]) if flips else scene
    image = run.worker.pixels.image(image_address(other, side))
    noised = _kept(run, image.filter(ImageFilter.GaussianBlur(9)))
    before, after = _sure(0.98, source.target, len(classes)), _sure(0.95, question.wanted, len(classes))
    blurred = [_kept(run, image.filter(ImageFilter.GaussianBlur(radius))) for radius in (6, 4, 3, 2, 1, 0.5)]
    return Explanation(
        sample=replace(source, image=_kept(run, image), target=question.wanted, origin=Origin(model="none", seed=1)),
        start=noised,
        before=before,
        after=after if flips else before,
        flipped=flips,
        scale=8.0,
        tries=1,
        trace=tuple(blurred) if traced else (),
    )


def _sure(probability: float, answer: object, classes: int) -> tuple[float, ...]:
    return tuple(probability if i == answer else (1 - probability) / (classes - 1) for i in range(classes))


def _kept(run: Run, image: Image.Image) -> Address:
    return Address(run.worker.blobs.put(encode_png(image)))

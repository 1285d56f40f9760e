"""Images and segmentation masks with the same names: `images/1.jpg` and `masks/1.png`, or `1.jpg` and `1_mask.png`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfactory.data.images import addresses, images_below, images_in, subfolders
from counterfactory.data.labelled import nothing_left
from counterfactory.data.masks import MASK_STEM, have_one_size
from counterfactory.data.problems import below, printable, problem
from counterfactory.data.segments import segment_classes
from counterfactory.data.splits import parted, split_name
from counterfactory.types import Collection, Dataset, Problem, Sample

IMAGES = {"images", "image", "imgs", "img", "jpegimages"}
MASKS = {"masks", "mask", "labels", "label", "annotations", "segmentations", "segmentationclass"}
LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image and its mask."""

    image: Path
    mask: Path
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Images and masks by their name without endings, as they lie in one place."""

    images: dict[str, Path]
    masks: dict[str, Path]
    split: str | None  # None: the first folder of the name says it

    def pairs(self) -> list[Pair]:
        return [
            Pair(image=image, mask=self.masks[name], split=self.split or split_name(name.split("/")[0]) or "train")
            for name, image in self.images.items()
            if name in self.masks
        ]


def recognises(path: Path) -> bool:
    """A folder in which some image has a mask of its name."""
    return path.is_dir() and any(files.images.keys() & files.masks.keys() for files in _files(path))


def read(path: Path) -> Collection:
    """Every image that has a mask of its own size."""
    files = _files(path)
    pairs = [pair for some in files for pair in some.pairs()]
    problems = [said for some in files for said in _alone(some, path)]
    found, wrong = addresses([file for pair in pairs for file in (pair.image, pair.mask)], path)
    pairs = [pair for pair in pairs if pair.image in found and pair.mask in found]
    fit = have_one_size([(pair.image, pair.mask) for pair in pairs])
    sized = [pair for pair, fits in zip(pairs, fit, strict=True) if fits]
    differ = (below(pair.image, path) for pair in pairs if pair not in set(sized))
    problems += (*wrong, *problem(differ, "image and mask differ in size; skipped"))
    lossy = (below(pair.mask, path) for pair in sized if pair.mask.name.lower().endswith(LOSSY))
    problems += problem(lossy, "a mask stored as JPEG: its numbers are blurred; store masks as PNG")
    if not sized:
        raise nothing_left(path, problems)
    classes, odd = segment_classes(path, [found[pair.mask] for pair in sized])
    splits = {
        split: Dataset(
            samples=tuple(Sample(image=found[pair.image], mask=found[pair.mask]) for pair in some),
            classes=classes,
            task="segmentation",
            split=split,
        )
        for split, some in parted(sized, lambda pair: pair.split).items()
    }
    return Collection(name=printable(path.name), kind="image and mask pairs", splits=splits, problems=(*problems, *odd))


def _files(path: Path) -> list[Files]:
    """The folder itself, or its splits: images and masks in two folders, or side by side."""
    here = _two_folders(path, None) or _side_by_side(path, None)
    if here:
        return [here]
    named = [(folder, split_name(folder.name)) for folder in subfolders(path)]
    return [
        files
        for folder, split in named
        if split and (files := _two_folders(folder, split) or _side_by_side(folder, split))
    ]


def _two_folders(path: Path, split: str | None) -> Files | None:
    folders = {folder.name.lower(): folder for folder in subfolders(path)}
    images, masks = (next((folders[n] for n in folders if n in names), None) for names in (IMAGES, MASKS))
    if not images or not masks:
        return None
    return Files(
        images={_name(file, images): file for file in images_below(images)},
        masks={_mask_name(file, masks): file for file in images_below(masks)},
        split=split,
    )


def _side_by_side(path: Path, split: str | None) -> Files | None:
    """One folder in which some files are called like others with `_mask` behind."""
    files = images_in(path)
    masks = {_mask_name(file, path): file for file in files if MASK_STEM.search(file.stem)}
    images = {_name(file, path): file for file in files if not MASK_STEM.search(file.stem)}
    return Files(images=images, masks=masks, split=split or "train") if images.keys() & masks.keys() else None


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _mask_name(file: Path, folder: Path) -> str:
    return MASK_STEM.sub("", _name(file, folder))


def _alone(files: Files, root: Path) -> Sequence[Problem]:
    images = (below(file, root) for name, file in files.images.items() if name not in files.masks)
    masks = (below(file, root) for name, file in files.masks.items() if name not in files.images)
    return (*problem(images, "an image without a mask; skipped"), *problem(masks, "a mask without an image; left out"))

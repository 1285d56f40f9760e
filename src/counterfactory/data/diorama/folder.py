"""Writes scenes as an image folder that `datasets` loads: pictures by split and class, masks beside the splits."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterfactory.data.diorama.place import drawn_both, scene_at
from counterfactory.errors import BadConfig, writing
from counterfactory.processes import Helpers, interruptible
from counterfactory.types import Collection, Sample

BATCH = 64
Job = tuple[str, Path, Path]  # place, image file, mask file


def write(collection: Collection, folder: Path, processes: int = 1) -> int:
    """Draws every sample into `folder/<split>/<class>/`, masks into `folder/masks/`; returns how many were drawn."""
    rows = {
        split: [_row(split, index, sample) for index, sample in enumerate(dataset.samples)]
        for split, dataset in collection.splits.items()
    }
    jobs = [
        (sample.image.place, folder / split / row["file_name"], folder / split / row["mask"])
        for split, dataset in collection.splits.items()
        for sample, row in zip(dataset.samples, rows[split], strict=True)
    ]
    texts = {split: "".join(json.dumps(row) + "\n" for row in rows[split]) for split in rows}
    with writing(folder):
        _check_unused(folder, texts)
        for split, dataset in collection.splits.items():
            for name in dataset.classes:
                (folder / split / name).mkdir(parents=True, exist_ok=True)
            (folder / split / "metadata.jsonl").write_text(texts[split], encoding="utf-8")
        (folder / "masks").mkdir(exist_ok=True)
        _draw_all(jobs, processes)
    return len(jobs)


def _row(split: str, index: int, sample: Sample) -> dict[str, Any]:
    """One line of metadata; masks lie outside of the splits, where nothing takes them for images of a class."""
    name = str(sample.attributes["class"])
    return {
        "file_name": f"{name}/{index:05d}.png",
        "label": name,
        "split": split,
        "caption": sample.caption,
        **sample.attributes,
        "seed": scene_at(sample.image.place).seed,
        "mask": f"../masks/{split}-{index:05d}.png",
    }


def _check_unused(folder: Path, texts: Mapping[str, str]) -> None:
    """A folder may be new, empty, or hold what an interrupted call with the same options left."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    for split, text in texts.items():
        found = folder / split / "metadata.jsonl"
        if found.exists() and found.read_text(encoding="utf-8") == text:
            return
    raise BadConfig(f"{folder} already holds something else; give a new folder, or empty this one first.")


def _draw_all(jobs: Sequence[Job], processes: int) -> None:
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    if processes < 2 or len(batches) < 2:
        for batch in batches:
            _draw(batch)
        return
    with Helpers(processes) as helpers, interruptible(helpers):
        for _ in helpers.map(_draw, batches):
            pass


def _draw(batch: Sequence[Job]) -> None:
    for place, image_file, mask_file in batch:
        image, mask = drawn_both(place)
        image.save(image_file, compress_level=1)
        mask.save(mask_file, compress_level=1)

"""Long arrays that are computed once for a workspace and then lie on disk: pictures and latents of a whole data set."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock

from counterfactory.errors import writing
from counterfactory.keys import dataset_key, key
from counterfactory.types import Dataset, Sample
from counterfactory.worker import Worker

CHUNK = 2048  # rows computed between two notes of how far it has come


def kept_pictures(worker: Worker, dataset: Dataset, size: int) -> Path:
    """The array (N, size, size, 3) of a data set's pictures, squeezed to squares."""
    path = array_path(worker, "pictures", dataset_key(dataset), size)
    shape = (len(dataset), size, size, 3)
    return kept_rows(path, shape, np.uint8, lambda start, stop: _pictures(worker, dataset.samples[start:stop], size))


def array_path(worker: Worker, kind: str, *made_of: object) -> Path:
    """Where an array lies that follows from these facts alone."""
    return worker.workspace / "arrays" / f"{kind}-{key(*made_of)}.npy"


def kept_rows(
    path: Path, shape: tuple[int, ...], dtype: type[np.generic], rows: Callable[[int, int], np.ndarray]
) -> Path:
    """The file of an array of `shape`, filled by `rows(start, stop)` from where a killed call came to."""
    note = path.with_suffix(".rows")  # how many are there
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            done = int(note.read_text()) if note.exists() else 0
            if done == shape[0]:
                return path
            # Written and not mapped: where the disk is full, a write is an error and a map kills the process.
            with path.open("r+b" if done else "w+b") as stream:
                begin = _headed(stream, shape, dtype)
                while done < shape[0]:
                    stop = min(done + CHUNK, shape[0])
                    data = np.ascontiguousarray(rows(done, stop), dtype)
                    stream.seek(begin + done * data[0].nbytes)
                    stream.write(data.data)
                    stream.flush()
                    done = stop
                    part = path.with_suffix(".part")
                    part.write_text(str(done))
                    os.replace(part, note)
    return path


def _headed(stream: BinaryIO, shape: tuple[int, ...], dtype: type[np.generic]) -> int:
    """Says in numpy's form what follows, and where that begins."""
    said = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, said)
    return stream.tell()


def _pictures(worker: Worker, samples: tuple[Sample, ...], size: int) -> np.ndarray:
    # Rendered pictures are kept where this array goes: none needs a blob of its own beside it.
    lies_in_blobs = any(sample.image.place.startswith("blob") for sample in samples)
    pixels = worker.pixels if lies_in_blobs else replace(worker.pixels, blobs=None)
    return pixels.arrays([sample.image for sample in samples], (size, size))

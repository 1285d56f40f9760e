"""How fast a data set comes in: found, addressed and decoded, as one JSON line (`read.py [PATH]`, else small PNGs)."""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from counterfactory.data.read import read
from counterfactory.pixels import Pixels

TARGET = 5000  # images a second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "path", nargs="?", help="any data set that is recognised; without one, a temporary class folder"
    )
    parser.add_argument("--images", type=int, default=20_000, help="how many the temporary folder has")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.path:
        measured = measure(options.path, options.processes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_folder(Path(folder), options.images)
            measured = measure(folder, options.processes)
    print(json.dumps(measured))


def measure(source: str, processes: int) -> dict[str, object]:
    """Seconds to read, and to have every image as numbers in the size of the first."""
    start = time.perf_counter()
    collection = read(source)
    found = time.perf_counter()
    addresses = [sample.image for dataset in collection.splits.values() for sample in dataset.samples]
    size = Pixels().image(addresses[0]).size
    arrays = Pixels(processes=processes).arrays(addresses, size)
    end = time.perf_counter()
    return {
        "benchmark": "read",
        "kind": collection.kind,
        "images": len(arrays),
        "size": size,
        "processes": processes,
        "read_seconds": round(found - start, 2),
        "decode_seconds": round(end - found, 2),
        "images_per_second": round(len(arrays) / (end - start)),
        "target": TARGET,
    }


def write_folder(root: Path, count: int, classes: int = 10) -> None:
    """Class folders of 32 x 32 noise."""
    random = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class {number % classes}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{number}.png", compress_level=1)


if __name__ == "__main__":
    main()

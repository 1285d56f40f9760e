"""How many scenes Diorama renders a second, images opened as the classifier opens them, and how long reading takes."""

import argparse
import json
import platform
import time

from counterfactory.data.diorama import read
from counterfactory.pixels import Pixels


def main() -> None:
    arguments = _arguments()
    start = time.perf_counter()
    read("")
    reading = time.perf_counter() - start
    collection = read(f"train=0,validation=0,test={arguments.scenes},classes=all")
    addresses = [sample.image for sample in collection.splits["test-uniform"].samples]
    start = time.perf_counter()
    Pixels(processes=arguments.processes).arrays(addresses, (64, 64))
    seconds = time.perf_counter() - start
    found = {
        "benchmark": "diorama",
        "scenes_per_second": round(len(addresses) / seconds, 1),
        "processes": arguments.processes,
        "scenes": len(addresses),
        "seconds": round(seconds, 2),
        "seconds_to_read_default": round(reading, 3),
        "machine": platform.machine(),
    }
    print(json.dumps(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()

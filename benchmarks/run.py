"""What `Run.map` costs over the step itself, what resuming costs, and that memory stays flat. Prints one JSON line.

python benchmarks/run.py [--items 1000000]
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from counterfactory.run import Run
from counterfactory.types import Address, Origin, Request, Sample
from counterfactory.worker import Worker

SMALL = 10_000
MIDDLE = 100_000


class Draw(BaseModel, frozen=True, extra="forbid"):
    """An engine that draws nothing: what is left is the cost of the run."""

    version: ClassVar[int] = 1

    def load(self, worker: Worker) -> Callable[[Sequence[Request]], list[Sample]]:
        return lambda requests: [drawn(request) for request in requests]


def drawn(request: Request) -> Sample:
    return Sample(
        image=Address(f"{request.seed:032x}"),
        target=request.label,
        origin=Origin(prompt=request.prompt, seed=request.seed, model="none@1"),
    )


def requests(count: int) -> Iterator[Request]:
    return (Request(prompt="a red bus on grass in the rain", seed=seed, label=seed % 10) for seed in range(count))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int) -> dict[str, float]:
    """One size in a workspace of its own: the step alone, the map, the same map again, and reading all results."""
    with tempfile.TemporaryDirectory() as folder, Run(Path(folder) / "run", Worker(workspace=Path(folder))) as run:
        alone = seconds(lambda: sum(drawn(request) is not None for request in requests(count)))  # kept nowhere
        first = seconds(lambda: run.map(Draw(), requests(count)))
        again = seconds(lambda: run.map(Draw(), requests(count)))
        results = run.map(Draw(), requests(count))
        read = seconds(lambda: sum(1 for _ in results))
    return {"map_ms": 1e3 * (first - alone) / count, "resume_us": 1e6 * again / count, "read_us": 1e6 * read / count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    count = parser.parse_args().items
    start = peak_mb()
    small, middle, large = measure(SMALL), measure(MIDDLE), measure(count)
    print(
        json.dumps(
            {
                "benchmark": "run",
                "map_ms_an_item_at_100000": round(middle["map_ms"], 4),
                "map_ms_an_item_at_large": round(large["map_ms"], 4),
                "items": count,
                "resume_s": round(large["resume_us"] * count / 1e6, 2),
                "resume_us_an_item": {SMALL: round(small["resume_us"], 2), count: round(large["resume_us"], 2)},
                "resume_ratio_large_to_small": round(large["resume_us"] / small["resume_us"], 2),
                "read_us_an_item": round(large["read_us"], 2),
                "memory_above_start_mb": round(peak_mb() - start, 1),
                "machine": f"{platform.machine()}, Python {platform.python_version()}",
            }
        )
    )


if __name__ == "__main__":
    main()

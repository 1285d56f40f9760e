"""A run killed with SIGKILL at random moments and given again: what is lost and what is done twice, as a JSON line.

python benchmarks/kill.py [--kills 10]
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from counterfactory import codec
from counterfactory.run import Run
from counterfactory.worker import Worker

ITEMS, BATCH = 3000, 8


class Count(BaseModel, frozen=True, extra="forbid"):
    """Writes down every item that it is given, and takes a moment over each batch."""

    version: ClassVar[int] = 1

    def load(self, worker: Worker) -> Callable[[Sequence[int]], list[dict[str, int]]]:
        tally = (worker.workspace / "tally").open("a")

        def apply(numbers: Sequence[int]) -> list[dict[str, int]]:
            tally.write("".join(f"{number}\n" for number in numbers))
            tally.flush()
            time.sleep(0.02)
            return [{"number": number, "square": number * number} for number in numbers]

        return apply


def work(folder: Path) -> str:
    """The whole run; what came out of it as text."""
    with Run(folder / "run", Worker(workspace=folder, batch_size=BATCH)) as run:
        print("ready", flush=True)
        return codec.encode(list(run.map(Count(), range(ITEMS))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    if options.work:
        (options.work / "out").write_text(work(options.work))
        return
    moments, kills = random.Random(0), 0
    with tempfile.TemporaryDirectory() as killed, tempfile.TemporaryDirectory() as whole:
        for _ in range(options.kills):
            process = start(killed)
            time.sleep(moments.uniform(0.02, 1.0))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            process.stdout.close()
        for folder in (killed, whole):
            process = start(folder)
            process.communicate()
        done = (Path(killed) / "tally").read_text().split()
        equal = (Path(killed) / "out").read_text() == (Path(whole) / "out").read_text()
    again = len(done) - len(set(done))
    found = {"benchmark": "kill", "kills": kills, "items": ITEMS, "batch": BATCH, "equal_to_uninterrupted": equal}
    print(
        json.dumps(
            {**found, "items_done_twice": again, "batches_done_twice_a_kill": round(again / BATCH / max(kills, 1), 2)}
        )
    )


def start(folder: str) -> "subprocess.Popen[str]":
    """The run in a process of its own, past its start-up."""
    process = subprocess.Popen([sys.executable, __file__, "--work", folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


if __name__ == "__main__":
    main()

"""What the stress test's pictures are worth where the truth is known: Diorama, drawn by the zoo. Prints one JSON line.

python benchmarks/stress_quality.py --what edits [--images 500] [--set drawing.strength=0.8 ...]
python benchmarks/stress_quality.py --what truth [--images 3600]
python benchmarks/stress_quality.py --what repair [--images 200] [--set repair.quota.per_class=100]

edits: one counterfactual of each image: is the label preserved, the edit visible, the thing where it was, before and
after the checks? truth: single edits of weather and time of day: how far are the failures found from the model's
failures on the same scenes truly drawn, and how far would the failures on the unedited images be? repair: how many of
the failures on true counterfactuals are gone after retraining? The model under test knows usual surroundings only.
With --folder a benchmark that is killed goes on where it was.
"""

import argparse
import json
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from counterfactory.data.read import read
from counterfactory.recipes.job import build
from counterfactory.run import Run
from counterfactory.types import Interval, Report
from counterfactory.worker import Worker

MODEL = "model=zoo:diorama/classifier-usual"
WHAT = {
    "edits": (500, ["writer.counterfactuals=1"]),
    "truth": (3600, ["writer.counterfactuals=1", "writer.kinds=[weather, time of day]"]),
    "repair": (200, ["writer.counterfactuals=1", "writer.kinds=[weather, time of day]", "repair.seeds=[0, 1, 2]"]),
}


def main() -> None:
    options = _options()
    images, sets = WHAT[options.what]
    images = options.images or images
    wanted = [MODEL, f"quota={{per_class: null, total: {images}}}", *sets, *options.sets]
    recipe: Any = build({"job": "stress", "preset": "default", "data": "x"}, None, wanted, None)[1]
    data = read(f"diorama:test={images},train=2000,validation=400")
    place = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    with place as folder:
        worker = Worker(workspace=Path(folder), batch_size=options.batch_size)
        start = time.perf_counter()
        with Run(Path(folder) / options.what, worker) as run:
            report: Report = recipe.run(run, data)
    said = {"seconds": round(time.perf_counter() - start), **report.numbers, **_tables(report)}
    print(json.dumps({"benchmark": f"stress {options.what}", "set": options.sets, **said}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=WHAT, default="edits")
    parser.add_argument("--images", type=int, default=None, help="test images that are taken")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--folder", default=None, help="kept and gone on with; else a new one that is removed")
    return parser.parse_args()


def _tables(report: Report) -> dict[str, Any]:
    """The tables of the truth, of the checks and of the repair, row by row."""
    wanted = {"Failures found and true failures", "Checks", "Repair"}
    return {
        table.title: [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]
        for table in report.tables
        if table.title in wanted
    }


def _plain(cell: Any) -> Any:
    if isinstance(cell, Interval):
        return [round(number, 2) for number in (cell.mean, cell.low, cell.high) if number is not None]
    return round(cell, 2) if isinstance(cell, float) else cell


if __name__ == "__main__":
    main()

"""What a synthetic Diorama teaches, drawn by the adapted zoo, beside the real one. Prints one JSON line.

python benchmarks/synthesize.py [--train 2000] [--validation 500] [--test 1000] [--times 1,4] [--seeds 0,1,2]
    [--trials 12,8] [--images 300] [--windmill] [--folder FOLDER] [--set drawing.steps=10 ...]

The zoo's pipeline learns the classes from the training images: an encoder of them, then its denoiser; after each a
search chooses how to draw by validation images. Reported are the classification accuracy scores of x1 and so on as
parts of what real images reach by the same recipe, the validation scores of the way by hand and of the one found, and
what the pictures give away. With --windmill there is an eleventh class that no model of the zoo ever saw: its accuracy
is reported apart. With --folder a benchmark that is killed goes on where it was.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from counterfactory.data.diorama.world import CLASSES
from counterfactory.data.read import read
from counterfactory.recipes.datagen import Datagen
from counterfactory.recipes.job import build
from counterfactory.run import Run
from counterfactory.types import Interval, Report, Table
from counterfactory.worker import Worker
from counterfactory.zoo.world import UNSEEN_CLASS


def main() -> None:
    options = _options()
    classes = "+".join((*CLASSES, UNSEEN_CLASS) if options.windmill else CLASSES)
    sizes = f"train={options.train},validation={options.validation},test={options.test}"
    given = [
        f"seeds=[{options.seeds}]", f"amount.times=[{options.times}]", f"tuning.trials=[{options.trials}]",
        f"tuning.images={options.images}",
    ]  # fmt: skip
    job = {"job": "synthesize", "recipe": "datagen", "data": "x"}
    recipe: Datagen = build(job, None, [*given, *options.sets], None)[1]  # type: ignore[assignment]
    place = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    began = time.perf_counter()
    with place as folder, Run(Path(folder) / "synthesize", Worker(workspace=Path(folder))) as run:
        found = recipe.run(run, read(f"diorama:{sizes},classes={classes}"))
    said = {"seconds": round(time.perf_counter() - began), "train": options.train, "seeds": options.seeds}
    print(json.dumps({"benchmark": "synthesize", **said, "set": options.sets, **_numbers(found)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--validation", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--times", default="1,4")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--trials", default="12,8")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--windmill", action="store_true")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--folder", default=None)
    return parser.parse_args()


def _numbers(found: Report) -> dict[str, Any]:
    tables = {table.title: table for table in found.tables}
    return {
        "numbers": dict(found.numbers),
        "accuracy": _rows(tables["Accuracy"]),
        "searches": _rows(tables["What the searches found"]) if "What the searches found" in tables else {},
        "likeness": _rows(tables["Likeness to real images"]),
        "the class that the zoo never saw": _rows(tables["By class on test"]).get(UNSEEN_CLASS),
        "said": [sentence for sentence in found.summary if "nearer to a training image" in sentence],
        "seconds by part": _rows(tables["What it took"]) if "What it took" in tables else {},
    }


def _rows(table: Table) -> Mapping[str, Mapping[str, Any]]:
    """A table by its first column."""
    return {str(row[0]): dict(zip(table.columns[1:], map(_said, row[1:]), strict=True)) for row in table.rows}


def _said(value: Any) -> Any:
    """A value as JSON has it; an interval as its mean and bounds."""
    if isinstance(value, Interval):
        return [round(number, 2) for number in (value.mean, value.low, value.high) if number is not None]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()

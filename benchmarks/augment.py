"""What each augmentation method is worth in Diorama, beside as many true renders. Prints one JSON line.

python benchmarks/augment.py [--recipes baseline,text-only,real-guidance,da-fusion,dalda,diagen] [--shots 4]
    [--seeds 0,1,2,3,4] [--per-image 10] [--windmill] [--folder FOLDER] [--set methods.dalda.guidance=6 ...]

Ten classes, a few usual scenes of each, a small ResNet from scratch. Reported are the tests of usual and of unusual
scenes, the gain over the best classic augmentation as validation chooses it, and which part of the gain of true renders
a method reaches. Pairs of class and surface that no model of the zoo ever saw are reported apart; with --windmill there
is an eleventh class that none ever saw. With --folder a benchmark that is killed goes on where it was.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.diorama.world import CLASSES
from counterfactory.data.read import read
from counterfactory.metrics.classification import accuracy
from counterfactory.metrics.statistics import mean_interval, paired_difference
from counterfactory.recipes.augmentation import ALONE, arms_of
from counterfactory.recipes.compare import Compare
from counterfactory.recipes.compare_report import CLASSIC
from counterfactory.recipes.comparison import accuracies, chosen_method, methods
from counterfactory.recipes.job import build
from counterfactory.recipes.trials import Arm, Trial, few_shot, tried
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Interval, Origin
from counterfactory.worker import Worker
from counterfactory.zoo.world import UNSEEN_CLASS, UNSEEN_PAIRS

TRUE = "true renders"
RENDERS = 91_000  # the seed of the true renders: no data set of these has it
TESTS = ("test", "test-unusual")


def main() -> None:
    options = _options()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    classes = "+".join((*CLASSES, "windmill") if options.windmill else CLASSES)
    data = read(f"diorama:train=600,validation=300,test=1000,classes={classes}")
    names = options.recipes.split(",")
    per_image = [f"methods.{name}.per_image={options.per_image}" for name in names if name != "baseline"]
    sets = [f"recipes=[{options.recipes}]", f"shots={options.shots}", f"seeds={seeds}", *per_image, *options.sets]
    recipe: Compare = build({"job": "compare", "data": "x"}, None, sets, None)[1]  # type: ignore[assignment]
    place = nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory()
    began = time.perf_counter()
    with place as folder, Run(Path(folder) / "augment", Worker(workspace=Path(folder))) as run:
        arms = [arm for each in recipe.planned() for arm in arms_of(run, data, each)]
        arms = [arm for arm in arms if arm.method != ALONE or "baseline" not in names]
        arms += _true_renders(data, options.shots, seeds, options.per_image, recipe.classifier, classes)
        trials = tried(run, arms, data)
    said = {"seconds": round(time.perf_counter() - began), "shots": options.shots, "seeds": seeds}
    print(json.dumps({"benchmark": "augment", **said, "set": options.sets, **_numbers(trials, data)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", default="baseline,text-only,real-guidance,da-fusion,dalda,diagen")
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--per-image", type=int, default=10)
    parser.add_argument("--windmill", action="store_true")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--folder", default=None)
    return parser.parse_args()


def _true_renders(
    data: Collection, shots: int, seeds: Sequence[int], per_image: int, trainer: ClassifierTrainer, classes: str
) -> list[Arm]:
    """As many images as a method draws, truly rendered over all surroundings, in the place of drawings."""
    number = shots * per_image * len(data.classes)
    arms = []
    for seed in seeds:
        choice = few_shot(data, shots, seed)
        said = f"diorama:train=0,validation=0,test={number},seed={RENDERS + seed},classes={classes}"
        renders = read(said).splits["test-uniform"].samples
        drawn = tuple(replace(sample, origin=Origin(model="diorama")) for sample in renders)
        train = replace(choice["train"], samples=(*choice["train"].samples, *drawn))
        arms.append(Arm(method=TRUE, shots=shots, trainer=trainer.with_(seed=seed), data={**choice, "train": train}))
    return arms


def _numbers(trials: Sequence[Trial], data: Collection) -> dict[str, Any]:
    drawn = [trial for trial in trials if trial.method not in {*CLASSIC, TRUE}]
    classic = chosen_method([trial for trial in trials if trial.method in CLASSIC])
    found = {split: accuracies(trials, split) for split in TESTS}
    gains = {s: {m: paired_difference(values, found[s][classic]) for m, values in found[s].items()} for s in TESTS}
    return {
        "best classic": classic,
        "chosen on validation": chosen_method(drawn) if drawn else None,
        "accuracy": {s: {m: _said(mean_interval(values)) for m, values in found[s].items()} for s in TESTS},
        "gain over the best classic": {s: {m: _said(gain) for m, gain in gains[s].items()} for s in TESTS},
        "part of the gain of true renders": {
            s: {m: round(gain.mean / gains[s][TRUE].mean, 3) for m, gain in gains[s].items()} for s in TESTS
        },
        "pairs that the zoo never saw": _unseen(trials, data.splits["test-uniform"]),
    }


def _unseen(trials: Sequence[Trial], tests: Dataset) -> Mapping[str, Any]:
    seen = [(str(sample.attributes["class"]), sample.attributes["surface"]) for sample in tests.samples]
    rows = [row for row, pair in enumerate(seen) if pair in UNSEEN_PAIRS or pair[0] == UNSEEN_CLASS]
    found: dict[str, list[float]] = {method: [] for method in methods(trials)}
    for trial in trials:
        said = trial.answers[tests.split]
        found[trial.method].append(100 * accuracy(said["probabilities"][rows], said["targets"][rows]))
    return {"images": len(rows), **{method: _said(mean_interval(values)) for method, values in found.items()}}


def _said(value: Interval) -> list[float]:
    return [round(number, 2) for number in (value.mean, value.low, value.high) if number is not None]


if __name__ == "__main__":
    main()

"""What explanations of Diorama are worth and cost. Prints one JSON line.

python benchmarks/explain.py --what quality [--mode fast] [--images 200] [--model zoo:diorama/classifier]
python benchmarks/explain.py --what speed [--images 2]
python benchmarks/explain.py --what pooling [--images 40] [--mode exact]

quality: how many answers flip; in how many flips the judge, which no gradient has seen, reads the wanted class, and how
many of a scene's other factors are then others than in the source (mean, and each by itself); images a second.
speed: images a second of one scale in each mode, and the others as multiples of exact.
pooling: denoiser calls and seconds where the images of all batches share their further tries, and in the original's
loop, which finishes one batch after the other; a tenth of each batch needs the second scale. With an accelerator
(--device) the seconds say more. --set takes fields of the search, as in --set search.start=30.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterfactory.config import parse_sets, resolve
from counterfactory.data.read import read
from counterfactory.explain.pooling import Explainer, open_explainer
from counterfactory.explain.step import Explain
from counterfactory.recipes.dime import Dime
from counterfactory.recipes.explained import Answers, Explained, explained
from counterfactory.recipes.oracle import by_judge, saw_wanted
from counterfactory.recipes.questions import answers_of, questions
from counterfactory.run import Run
from counterfactory.types import Dataset, Explanation, Failed, Question, Sample
from counterfactory.worker import Worker, choose_device

JUDGE = "zoo:diorama/judge"
MODES = ("fast", "chained", "exact")
IMAGES = {"quality": 200, "speed": 2, "pooling": 100}
SIDE_BY_SIDE, FEWEST = 10, 3  # images in a batch of the pooling benchmark, and batches
WEAK = 0.4  # of the first scale, so that not all flip at once
Asked = Sequence[tuple[Sample, Question]]


def main() -> None:
    options = _options()
    usual = Dime.exact() if options.mode == "exact" and options.what == "quality" else Dime.default()
    recipe: Any = resolve(usual, parse_sets(options.sets), {"model": options.model, "mode": options.mode})
    data = read(f"diorama:test={options.images or IMAGES[options.what]}").splits["test"]
    size = SIDE_BY_SIDE if options.what == "pooling" else options.batch_size
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(workspace=Path(folder), batch_size=size, device=choose_device(options.device))
        with Run(Path(folder) / "run", worker) as run:
            answers = answers_of(run, recipe.model, {}, data)
            asked = questions(run, recipe.model, answers, data, recipe.target, recipe.seed)
            step = recipe.step()
            if options.what == "quality":
                said = quality(run, step, asked, answers, data, options.pictures)
            else:
                said = {"speed": speed, "pooling": pooling}[options.what](step, worker, [one for _, one in asked])
    told = {"benchmark": f"explain {options.what}", "mode": recipe.mode, "model": recipe.model, "images": len(asked)}
    print(json.dumps({**told, "set": options.sets, **said}))


def quality(
    run: Run, step: Explain, asked: Asked, answers: Answers, data: Dataset, pictures: Path | None
) -> dict[str, Any]:
    """Flips, what the judge sees in them, and how long it took."""
    began = time.perf_counter()
    found = run.map(step, [question for _, question in asked])
    seconds = time.perf_counter() - began
    made = explained(run, asked, found, answers, data)
    if pictures:
        draw(run, made, pictures)
    change = float(np.mean([one.facts["l1"] for one in made]))
    return {**judged(run, made), "change_l1": round(change, 4), "images_per_second": round(len(asked) / seconds, 3)}


def judged(run: Run, made: Sequence[Explained]) -> dict[str, float]:
    """The share of flips, and what the judge sees in them."""
    flips = [one for one in made if one.facts["flipped"]]
    if not flips:
        return {"flipped": 0.0}
    before = by_judge(run, JUDGE, [one.source.image for one in flips])
    after = by_judge(run, JUDGE, [one.changed.image for one in flips])
    apart = {name: after.values[:, n] != before.values[:, n] for n, name in enumerate(after.names) if name != "class"}
    found = {
        "flipped": len(flips) / len(made),
        "judge_reads_wanted": np.mean(saw_wanted(flips, after)),
        "others_changed": sum(changed.mean() for changed in apart.values()),
        **{f"{name}_changed": changed.mean() for name, changed in apart.items()},
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def draw(run: Run, made: Sequence[Explained], path: Path, shown: int = 16) -> None:
    """A grid to look at: sources, counterfactuals and differences below each other."""
    from PIL import Image

    pixels, some = run.worker.pixels, [one for one in made if one.difference][:shown]
    rows = [[one.source.image for one in some], [one.changed.image for one in some], [one.difference for one in some]]
    arrays = [pixels.arrays([address for address in row if address], (128, 128)) for row in rows]
    Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in arrays])).save(path)


def speed(step: Explain, worker: Worker, asked: Sequence[Question]) -> dict[str, Any]:
    """Images a second of one scale; a first search warms up."""
    found = {}
    for mode in MODES:
        plan = step.search.model_copy(update={"scales": step.search.tried(mode)[:1]})
        explainer = open_explainer(step.model_copy(update={"mode": mode, "search": plan}), worker)
        if mode == "fast":
            explainer(asked)
        began = time.perf_counter()
        explainer(asked)
        found[mode] = len(asked) / (time.perf_counter() - began)
    times = {f"{mode}_over_exact": round(found[mode] / found["exact"], 1) for mode in MODES[:2]}
    return {**{f"{mode}_images_per_second": round(rate, 3) for mode, rate in found.items()}, **times}


def pooling(step: Explain, worker: Worker, asked: Sequence[Question]) -> dict[str, Any]:
    """Both ways over the same images, nine of each batch flipping at a weak scale and one at the usual ones."""
    usual = step.search.tried(step.mode)
    plan = step.search.model_copy(update={"scales": (usual[0] * WEAK, *usual)})
    explainer = open_explainer(step.model_copy(update={"search": plan}), worker)
    tries = [0 if isinstance(found, Failed) else found.tries for found in explainer(asked)]
    early = [question for question, number in zip(asked, tries, strict=True) if number == 1]
    late = [question for question, number in zip(asked, tries, strict=True) if number == 2]
    easy = SIDE_BY_SIDE - 1
    batches = [[*early[easy * n : easy * (n + 1)], one] for n, one in enumerate(late[: len(early) // easy])]
    if len(batches) < FEWEST:
        raise SystemExit(f"{len(early)} images flip at once and {len(late)} later: give more --images.")
    together = _counted(explainer, [[question for batch in batches for question in batch]])
    apart = _counted(explainer, batches)
    assert together.results == apart.results, "pooling changed a result"
    return {
        "batches": len(batches),
        "calls_pooled": together.calls,
        "calls_of_the_loop": apart.calls,
        "fewer_calls": round(apart.calls / together.calls, 2),
        "faster": round(apart.seconds / together.seconds, 2),
    }


@dataclass(frozen=True)
class Counted:
    """What some batches came to, and what they cost."""

    results: Sequence[Explanation | Failed]
    calls: int
    seconds: float


def _counted(explainer: Explainer, batches: Sequence[Sequence[Question]]) -> Counted:
    calls: list[Any] = []
    listening = explainer.search.model.network.register_forward_pre_hook(lambda module, _: calls.append(module))
    began = time.perf_counter()
    results = [found for batch in batches for found in explainer(batch)]
    seconds = time.perf_counter() - began
    listening.remove()
    return Counted(results, len(calls), seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=IMAGES, default="quality")
    parser.add_argument("--mode", choices=MODES, default="fast")
    parser.add_argument("--model", default=Dime.default().model, help="the classifier to explain")
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pictures", type=Path, default=None, help="a PNG of some sources, results and differences")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="FIELD=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""What an augmentation recipe found, as a page: the one table, what was drawn, and what was left out and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from counterfactory.recipes.augmentation import Candidate, Drawn, Method, arms, drawn, synthetic, without_drawings
from counterfactory.recipes.class_words import PROMPTS
from counterfactory.recipes.diorama import is_strange
from counterfactory.recipes.fidelity_report import fidelity_tables
from counterfactory.recipes.pictures import shots_gallery
from counterfactory.recipes.prepare import measurable, validated
from counterfactory.recipes.reports import several_methods
from counterfactory.recipes.trials import Choice, ready, tried
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Gallery, Picture, Report, Table

SHOWN = 240  # pictures of a gallery


def augmented(run: Run, data: Collection, method: Method, title: str) -> Report:
    """Draw, train with and without, open the test splits, and tell."""
    data = measurable(data)
    ready(data, method.shots, method.seeds[0])
    found = drawn(run, data, method)
    trials = tried(run, arms(method, found), data)
    first = method.seeds[0]
    choice, candidates = found.choices[first], found.candidates[first]
    parts = synthetic(candidates, choice["train"])
    run.publish({**choice, **parts}, {one.sample.image.digest: one.scores for one in candidates if one.scores})
    said = [*words(method, found), *_circumstances(run, data, method, choice)]
    report = several_methods(f"{title}: {data.name}", trials, data, said)
    eyes = None if is_strange(method.eyes, choice["train"]) else method.eyes
    return replace(
        report,
        numbers={**report.numbers, **_counts(found)},
        tables=(*report.tables, *fidelity_tables(run, eyes, found), *_refusals(found)),
        galleries=(
            *_galleries(candidates, choice["train"], first),
            shots_gallery(choice["train"], f"Training images of seed {first}"),
            *report.galleries,
        ),
    )


def words(method: Method, found: Drawn) -> list[str]:
    """What was done, in sentences."""
    candidates = [one for each in found.candidates.values() for one in each]
    kept, seeds = sum(one.counts for one in candidates), len(method.seeds)
    few = f"{method.shots} images a class" if method.shots else "all training images"
    said = f"From {few} and {seeds} seed{'s' if seeds > 1 else ''}: {len(candidates)} drawn, {kept} trained on."
    return [said, *without_drawings(found)]


def _circumstances(run: Run, data: Collection, method: Method, choice: Choice) -> Iterator[str]:
    """Which images chose, where the prompts are, and of what the zoo's models are asked though they never saw it."""
    yield f"{validated(data, choice, method.shots).capitalize()}."
    if (run.folder / PROMPTS).exists():
        yield f"All prompts are in {PROMPTS}: edited, they are handed back as `prompts.file`."
    models = {
        "engine.pipeline": method.engine.pipeline,
        "clip": getattr(method, "clip", None),
        "sieve.clip": getattr(getattr(method, "sieve", None), "clip", None),
        "eyes": method.eyes,
    }
    if strange := [f"`{field}`" for field, model in models.items() if is_strange(model, choice["train"])]:
        yield f"The zoo knows Diorama alone: name models of photographs as {', '.join(strange)}."
    if "`eyes`" in strange:
        yield "What was drawn is not measured, as the CLIP of `eyes` never saw such images."


def _counts(found: Drawn) -> dict[str, int]:
    candidates = [one for each in found.candidates.values() for one in each]
    return {"drawn": len(candidates), "trained on": sum(one.counts for one in candidates)}


def _refusals(found: Drawn) -> list[Table]:
    """Why drawings were left out, most often first."""
    candidates = [one for each in found.candidates.values() for one in each]
    whys = [why for one in candidates if not one.counts for why in one.why_not.split("; ")]
    reasons = Counter(why.partition(" (")[0] for why in whys)
    rows = tuple((reason, count, len(candidates)) for reason, count in reasons.most_common())
    note = "Over all seeds; one drawing may be left out for several."
    return [Table(title="Left out", columns=("because", "drawings", "of"), rows=rows, note=note)] if rows else []


def _galleries(candidates: Sequence[Candidate], train: Dataset, seed: int) -> list[Gallery]:
    """Drawings beside what they were drawn after, in turns of the classes; and apart those that do not count."""
    groups = {
        f"Drawn for seed {seed}": [one for one in candidates if one.counts],
        f"Left out, seed {seed}": [one for one in candidates if not one.counts],
    }
    return [
        Gallery(
            title=title,
            pictures=tuple(_picture(one, train) for one in _in_turns(group)[:SHOWN]),
            note=f"{len(group)} pictures.",
        )
        for title, group in groups.items()
        if group
    ]


def _picture(one: Candidate, train: Dataset) -> Picture:
    label = train.classes[one.sample.target] if isinstance(one.sample.target, int) else ""
    weight = {"weight": round(one.weight, 3)} if one.weight != 1 else {}
    return Picture(
        sample=one.sample,
        label=label,
        note=one.why_not or one.request.prompt,
        source=one.source.image if one.source else None,
        scores={**one.scores, **weight},
    )


def _in_turns(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One of each class, then the next of each."""
    turns: Counter[object] = Counter()
    placed = []
    for place, one in enumerate(candidates):
        placed.append((turns[one.sample.target], place, one))
        turns[one.sample.target] += 1
    return [one for _, _, one in sorted(placed, key=lambda each: each[:2])]

"""What an augmentation recipe found, as a page: the one table, what was drawn, and what was left out and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from counterfactory.recipes.augmentation import ALONE, Candidate, Drawn, Method, arms, drawn, synthetic
from counterfactory.recipes.fidelity_report import fidelity_tables
from counterfactory.recipes.pictures import shots_gallery
from counterfactory.recipes.prepare import measurable
from counterfactory.recipes.reports import several_methods
from counterfactory.recipes.stress_report import foreign
from counterfactory.recipes.trials import tried
from counterfactory.run import Run
from counterfactory.types import Collection, Dataset, Gallery, Picture, Report, Table

SHOWN = 240  # pictures of a gallery


def augmented(run: Run, data: Collection, method: Method, title: str) -> Report:
    """Draw, train with and without, open the test splits, and tell."""
    data = measurable(data)
    found = drawn(run, data, method)
    trials = tried(run, arms(method, found), data)
    first = method.seeds[0]
    choice, candidates = found.choices[first], found.candidates[first]
    parts = synthetic(candidates, choice["train"])
    run.publish({**choice, **parts}, {one.sample.image.digest: one.scores for one in candidates if one.scores})
    report = several_methods(
        f"{title}: {data.name}",
        trials,
        data,
        [*words(method, found), *foreign(method.engine.pipeline, choice["train"])],
    )
    return replace(
        report,
        numbers={**report.numbers, **_counts(found)},
        tables=(*report.tables, *fidelity_tables(run, method.eyes, found), *_refusals(found)),
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
    said = [f"From {few} and {seeds} seed{'s' if seeds > 1 else ''}: {len(candidates)} drawn, {kept} trained on."]
    bare = [seed for seed, each in found.candidates.items() if not any(one.counts for one in each)]
    if bare:
        numbers = ", ".join(map(str, bare))
        said.append(f"Of seed {numbers} no drawing counts: its classifier learnt from {ALONE}.")
    return said


def _counts(found: Drawn) -> dict[str, int]:
    candidates = [one for each in found.candidates.values() for one in each]
    return {"drawn": len(candidates), "trained on": sum(one.counts for one in candidates)}


def _refusals(found: Drawn) -> list[Table]:
    """Why drawings were left out, most often first."""
    candidates = [one for each in found.candidates.values() for one in each]
    reasons = Counter(reason.partition(" (")[0] for one in candidates for reason in one.reasons)
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
        note="; ".join(one.reasons) or one.request.prompt,
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

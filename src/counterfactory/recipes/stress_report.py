"""What a stress test found, as a page: the worst slices in words, the evidence in tables, and the pictures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from counterfactory.language.english import article
from counterfactory.metrics.findings import findings, slice_table
from counterfactory.metrics.slices import Pair, Slices, slices
from counterfactory.recipes.checks import SAID, Bounds
from counterfactory.recipes.counterfactuals import Counterfactual, in_words
from counterfactory.recipes.diorama import is_strange
from counterfactory.recipes.overlap_report import overlap_numbers, overlap_tables
from counterfactory.recipes.repair import Repaired, repair_table
from counterfactory.recipes.sheet import Shown
from counterfactory.recipes.stress_pictures import galleries, rate_plot
from counterfactory.recipes.tested import Said
from counterfactory.recipes.truth import Truth
from counterfactory.recipes.truth_report import truth_numbers, truth_tables
from counterfactory.types import Dataset, Report, Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """All that a stress test came to; answers are in the order of the counterfactuals."""

    data: Dataset
    made: Sequence[Counterfactual]
    bounds: Bounds
    before: Sequence[Said | None]
    after: Sequence[Said | None]
    truth: Truth | None
    repair: Repaired | None


def stress_report(title: str, found: Found, words: Sequence[str]) -> Report:
    """The page of one stress test."""
    cut = slices(list(pairs(found)))
    whole = cut.whole
    true = truth_tables(found.truth, found.made, found.before, found.after) if found.truth else ()
    overlaps = overlap_tables(found.data, found.made, found.before, found.after)
    mended = (repair_table(found.repair),) if found.repair else ()
    return Report(
        title=title,
        summary=(*findings(cut), *words),
        numbers={
            "images": len({one.made.source.image.digest for one in found.made}),
            "counterfactuals": len(found.made),
            "valid": sum(one.counts for one in found.made),
            "fails before, %": round(100 * whole.before.mean, 2) if whole else None,
            "fails after, %": round(100 * whole.after.mean, 2) if whole else None,
            **overlap_numbers(found.made, found.before, found.after),
            **(truth_numbers(found.truth, found.made, found.before, found.after) if found.truth else {}),
        },
        tables=(*_slice_tables(cut), *overlaps, *mended, *true, *_check_tables(found)),
        plots=tuple(rate_plot(cut)),
        galleries=tuple(galleries(found.made, found.before, found.after, found.data.classes)),
    )


def foreign(pipeline: object, data: Dataset) -> tuple[str, ...]:
    """A word of warning where the zoo draws what it has never seen."""
    if not is_strange(pipeline, data):
        return ()
    return ("Drawn by the zoo, which knows Diorama alone: name a pipeline of photographs as `engine.pipeline`.",)


def pairs(found: Found) -> Iterator[Pair]:
    """Each counterfactual of which the model could be asked, beside its source."""
    for one, before, after in zip(found.made, found.before, found.after, strict=True):
        if before and after:
            yield Pair(
                source=one.made.source.image.digest,
                label=label_of(one, found.data),
                kind=one.kind,
                value=one.value,
                failed_before=before.failed,
                failed_after=after.failed,
                confidence_before=before.confidence,
                confidence_after=after.confidence,
                valid=one.counts,
            )


def label_of(one: Counterfactual, data: Dataset) -> str:
    """The class of a counterfactual in words; of pixels there is no one class."""
    target = one.made.source.target
    return in_words(data.classes[target]) if isinstance(target, int) else "all classes"


def sheet_rows(found: Found) -> list[Shown]:
    """What people may be asked about: the counterfactuals that count."""
    return [
        Shown(
            image=one.made.drawn.image,
            label=_with_article(label_of(one, found.data)) if one.made.source.target is not None else one.made.after,
            kind=one.kind,
            edit=f"{one.kind}: {one.value}",
            source=one.made.source.image,
        )
        for one in found.made
        if one.counts
    ]


def _with_article(name: str) -> str:
    return f"{article(name.partition(' ')[0])} {name}"


def _slice_tables(cut: Slices) -> Iterator[Table]:
    if cut.ranked:
        yield slice_table("What breaks the model, worst first", cut.ranked)
    if cut.small:
        yield slice_table(f"Slices of fewer than {cut.fewest} images, unranked", cut.small)


def _check_tables(found: Found) -> Iterator[Table]:
    """How many counterfactuals each check refused, and by what threshold."""
    counts = Counter(
        name for one in found.made for name, score in one.verdict.scores.items() if not score >= found.bounds[name]
    )
    if found.bounds:
        yield Table(
            title="Checks",
            columns=("check", "refused because", "refused", "of", "threshold"),
            rows=tuple(
                (name, SAID[name], counts[name], len(found.made), round(bound, 3))
                for name, bound in found.bounds.items()
            ),
            note="Thresholds are what all but a share of real images reach; one picture may be refused by several.",
        )

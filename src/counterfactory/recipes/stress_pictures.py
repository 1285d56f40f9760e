"""Counterfactuals to look at: what broke the model, what did not, and what no check let pass."""

from collections.abc import Iterator, Sequence

from counterfactory.metrics.slices import Slices
from counterfactory.recipes.counterfactuals import Counterfactual
from counterfactory.recipes.tested import Said
from counterfactory.types import Gallery, Picture, Plot, Series

SHOWN = 120  # pictures in a gallery


def galleries(
    made: Sequence[Counterfactual],
    before: Sequence[Said | None],
    after: Sequence[Said | None],
    classes: Sequence[str],
) -> Iterator[Gallery]:
    """Three groups of pictures, each beside its source."""
    told = [(one, b, a) for one, b, a in zip(made, before, after, strict=True) if b and a]
    broken = [each for each in told if each[0].counts and each[2].failed and not each[1].failed]
    broken.sort(key=lambda each: each[2].confidence - each[1].confidence)
    held = [each for each in told if each[0].counts and not each[2].failed]
    refused = [each for each in told if not each[0].counts]
    groups = (
        ("What broke the model", broken, "Right about the source and wrong about the counterfactual; the worst first."),
        ("What did not", held, "Still right about the counterfactual."),
        ("Refused by the checks", refused, "They count for nothing; each says why."),
    )
    for title, group, note in groups:
        if group:
            pictures = tuple(_picture(one, b, a, classes) for one, b, a in group[:SHOWN])
            yield Gallery(title=title, pictures=pictures, note=f"{note} {len(group)} in all.")


def rate_plot(cut: Slices) -> Iterator[Plot]:
    """Failures before and after, edit by edit."""
    edits = [one for one in cut.ranked if one.label is None and one.value is not None]
    if edits:
        names = tuple(f"{one.kind}: {one.value}" for one in edits)
        series = tuple(
            Series(
                name=name,
                x=names,
                y=tuple(100 * rate.mean for rate in rates),
                low=tuple(100 * (rate.low or 0.0) for rate in rates),
                high=tuple(100 * (rate.high or 0.0) for rate in rates),
            )
            for name, rates in (
                ("as photographed", [one.before for one in edits]),
                ("as a counterfactual", [one.after for one in edits]),
            )
        )
        yield Plot(title="Failures by edit", kind="bars", series=series, y="failures in %")


def _picture(one: Counterfactual, before: Said, after: Said, classes: Sequence[str]) -> Picture:
    target = one.made.source.target
    label = classes[target] if isinstance(target, int) else ""
    reasons = "; ".join(one.verdict.reasons)
    return Picture(
        sample=one.made.drawn,
        label=label,
        note=reasons or f"{one.kind}: {one.value} · {before.answer} → {after.answer}",
        source=one.made.source.image,
        scores={"confidence before": before.confidence, "confidence after": after.confidence, **one.verdict.scores},
        facts={
            "caption of the source": one.made.before,
            "said of the source": before.answer,
            "said of the counterfactual": after.answer,
        },
    )

"""Slices in plain words and as a table: what fails, how often, how surely."""

from collections.abc import Sequence

from counterfactory.metrics.slices import SURE, Slice, Slices
from counterfactory.metrics.statistics import in_percent
from counterfactory.types import Interval, Table

COLUMNS = (
    *("class", "kind of edit", "edit", "valid", "images"),
    *("fails before, %", "fails after, %", "difference, points", "p", "corrected p", "confidence shift, points"),
)


def findings(found: Slices, most: int = 10) -> tuple[str, ...]:
    """The worst slices in sentences; the first says where there is nothing that is more than chance."""
    if found.whole is None:
        return ("No counterfactual passed the checks, so that nothing can be said of the model.",)
    sure = [each for each in found.ranked if each.is_found]
    said = [f"{sentence(found.whole, len(found.ranked))}"]
    if not sure:
        said.append(f"No edit makes the model fail more often than chance may ({_tested(found)}).")
    shown = sure[:most] if sure else list(found.ranked[:1])
    said += [sentence(each, len(found.ranked)) for each in shown]
    if len(sure) > most:
        said.append(f"{len(sure) - most} more slices fail more often than chance may; the table has them.")
    if found.small:
        said.append(_apart(found))
    return tuple(said)


def sentence(found: Slice, comparisons: int) -> str:
    """A slice in plain words, with its evidence and whether it may be chance."""
    before, change = round(100 * found.before.mean), _signed(found.difference)
    said = f"Fails on {_percent(found.after)} of {subject(found)}, {before} % as photographed ({change} points"
    if found.corrected is None:  # all pairs together, or too few of them
        return f"{said}, {_chance('p', found.chance)}, {_images(found)}){_doubt(found.chance, found.difference)}."
    corrected = _chance("p", found.corrected)
    evidence = f"{corrected} after Holm's correction for {comparisons} slices, {_images(found)}"
    return f"{said}, {evidence}){_doubt(found.corrected, found.difference)}."


def subject(found: Slice) -> str:
    """What a slice is of, in words."""
    what = f"images of {found.label}" if found.label is not None else "images"
    if found.value is not None:
        return f"{what} with {found.kind} changed to {found.value}"
    return f"{what} with a changed {found.kind}" if found.kind is not None else f"changed {what}"


def slice_table(title: str, found: Sequence[Slice], note: str = "") -> Table:
    """Slices row by row, in their order, shares in percent; a cell left empty stands for all."""
    return Table(title=title, columns=COLUMNS, rows=tuple(map(_row, found)), note=note or NOTE)


NOTE = (
    "Shares of source images, with Wilson's interval; the difference with Newcombe's for pairs. p: McNemar's exact "
    "test, or where sources have several counterfactuals a randomisation test over sources; corrected for the number "
    "of slices by Holm's procedure. Worst first, by the sure part of the difference."
)


def _row(found: Slice) -> tuple[object, ...]:
    return (
        *(found.label or "", found.kind or "", found.value or ""),
        *(found.valid, found.sources),
        *(in_percent(each) for each in (found.before, found.after, found.difference)),
        *(round(found.chance, 4), "" if found.corrected is None else round(found.corrected, 4)),
        in_percent(found.shift),
    )


def _percent(value: Interval) -> str:
    mean = f"{100 * value.mean:.0f} %"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{100 * value.low:.0f}, {100 * value.high:.0f}]"


def _signed(value: Interval) -> str:
    """Points with their sign; what rounds to nothing has none."""
    numbers = [round(100 * number) for number in (value.mean, value.low, value.high) if number is not None]
    mean, *bounds = [f"{number:+d}" if number else "0" for number in numbers]
    return f"{mean} [{', '.join(bounds)}]" if bounds else mean


def _images(found: Slice) -> str:
    images = f"{found.sources} image{'' if found.sources == 1 else 's'}"
    return images if found.valid == found.sources else f"{found.valid} counterfactuals of {images}"


def _chance(name: str, chance: float) -> str:
    return f"{name} < 0.001" if chance < 0.001 else f"{name} = {chance:.2g}"


def _doubt(chance: float, difference: Interval) -> str:
    if chance >= SURE:
        return "; the difference may be chance"
    return "" if difference.mean > 0 else "; it fails less often than before"


def _tested(found: Slices) -> str:
    n = len(found.ranked)
    return f"{n} slice{'' if n == 1 else 's'} of at least {found.fewest} images compared"


def _apart(found: Slices) -> str:
    n = len(found.small)
    few = f"fewer than {found.fewest} images"
    return f"{n} slices have {few} and are not ranked." if n > 1 else f"One slice has {few} and is not ranked."

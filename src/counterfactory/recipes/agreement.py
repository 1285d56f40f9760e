"""What people said of a sheet's pictures: how often yes, how surely, and how far they agree."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from counterfactory.errors import BadData
from counterfactory.metrics.agreement import alpha
from counterfactory.metrics.significance import wilson
from counterfactory.recipes.sheet import KEY_HEAD, QUESTIONS
from counterfactory.types import Interval, Report, Table

NOBODY = math.nan
ANSWERS = {"yes": 1.0, "y": 1.0, "1": 1.0, "true": 1.0, "no": 0.0, "n": 0.0, "0": 0.0, "false": 0.0, "": NOBODY}
RELIABLE, TENTATIVE = 0.8, 0.667  # as Krippendorff (2004) suggests to read alpha
COLUMNS = ("question", "kind of edit", "pictures", "yes, %", "alpha")

Answers = Mapping[str, Mapping[str, float]]  # question -> picture -> answer


def agreement(sheets: Sequence[Path], key: Path) -> Report:
    """The shares of yes with Wilson's intervals, and Krippendorff's alpha of all raters, by question and kind."""
    if len({path.resolve() for path in sheets}) < len(sheets):
        raise BadData("A sheet is given twice; expected one file for each rater.")
    kinds = {row["picture"]: row["kind"] for _, row in _rows(key, KEY_HEAD)}
    read = [_answers(path, kinds, key) for path in sheets]
    rows = [row for question in QUESTIONS for row in _measured(question, read, kinds)]
    return Report(
        title=f"What {len(sheets)} rater{'' if len(sheets) == 1 else 's'} said",
        summary=(*(_sentence(row, len(sheets)) for row in rows if row[1] == "all"), *_alone(sheets)),
        tables=(Table(title="Answers", columns=COLUMNS, rows=tuple(rows), note=NOTE),),
    )


NOTE = (
    "Shares of pictures, of each the mean over its raters, with Wilson's 95 % interval. The sheet has as many pictures "
    "of each kind of edit as there were, so that `all` is of the sheet. Alpha: Krippendorff's, nominal; empty where "
    "nothing can be said, as where all answers are the same."
)


def _answers(path: Path, kinds: Mapping[str, str], key: Path) -> Answers:
    """What one rater said."""
    found: dict[str, dict[str, float]] = {question: {} for question in QUESTIONS}
    for line, row in _rows(path, ("picture", *QUESTIONS)):
        picture = row["picture"]
        if picture not in kinds:
            raise BadData(f"{path}, line {line}: the key {key} has no picture {picture!r}; do they belong together?")
        if picture in found["plausible"]:
            raise BadData(f"{path}, line {line}: the picture {picture!r} stands there twice; keep one of its rows.")
        for question in QUESTIONS:
            said = row[question].casefold()
            if said not in ANSWERS:
                raise BadData(f"{path}, line {line}: {said!r} under {question!r}; expected yes, no or nothing.")
            found[question][picture] = ANSWERS[said]
    if all(math.isnan(value) for said in found.values() for value in said.values()):
        raise BadData(f"{path} has no answers; expected yes or no in the columns {', '.join(QUESTIONS)}.")
    return found


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row of a table with its line; spreadsheets of some countries write semicolons."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadData(f"There is no sheet {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read as a table ({error}); save it as CSV in UTF-8.") from None
    lines = text.splitlines()
    head = lines[0] if lines else ""
    table = csv.DictReader(lines, delimiter=max(",;\t", key=head.count), restval="")
    names = [name.strip() for name in table.fieldnames or ()]
    if missing := [name for name in columns if name not in names]:
        raise BadData(f"{path} has no column {missing[0]!r}; expected {', '.join(columns)}, as they were written.")
    table.fieldnames = names
    for row in table:
        said = {name: (row[name] or "").strip() for name in columns}
        if any(said.values()):  # spreadsheets leave empty rows at the end
            yield table.line_num, said


def _measured(question: str, read: Sequence[Answers], kinds: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    """A row for all pictures, and one for each kind where there are several."""
    groups = {"all": list(kinds)}
    if len(set(kinds.values())) > 1:
        groups |= {kind: [name for name in kinds if kinds[name] == kind] for kind in sorted(set(kinds.values()))}
    for group, pictures in groups.items():
        ratings = np.array([[said[question].get(picture, NOBODY) for picture in pictures] for said in read])
        rated = ratings[:, ~np.isnan(ratings).all(0)]
        agreed = alpha(rated) if rated.size else NOBODY
        yield question, group, rated.shape[1], _share(rated), "" if math.isnan(agreed) else round(agreed, 3)


def _share(rated: np.ndarray) -> Interval | str:
    """The share of yes in percent; each picture counts once, whoever rated it."""
    n = rated.shape[1]
    if not n:
        return ""
    bounds = wilson(np.array([np.nanmean(rated, axis=0).mean()]), np.array([n]))
    mean, low, high = (100 * float(part[0]) for part in (bounds.mean, bounds.low, bounds.high))
    return Interval(mean=mean, low=low, high=high, n=n)


def _sentence(row: tuple[object, ...], raters: int) -> str:
    question, _, pictures, share, agreed = row
    if not isinstance(share, Interval):
        return f"{question}: nobody answered."
    said = f"{question}: yes for {share.mean:.0f} % [{share.low:.0f}, {share.high:.0f}] of {pictures} pictures"
    if raters == 1:
        return f"{said}."
    if not isinstance(agreed, float):
        return f"{said}; alpha cannot be told, for no two raters answered, or all answers are the same."
    worth = "reliable" if agreed >= RELIABLE else "tentative" if agreed >= TENTATIVE else "too low to build on"
    return f"{said}; Krippendorff's alpha of {raters} raters is {agreed:.2f}, {worth}."


def _alone(sheets: Sequence[Path]) -> list[str]:
    return ["One rater alone cannot agree with anybody: give a second sheet for Krippendorff's alpha."] * (
        len(sheets) == 1
    )

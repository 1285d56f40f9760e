"""The page of a run: one HTML file that needs nothing else. Knows how a report is laid out, not how it came about."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from counterfactory.errors import writing
from counterfactory.pixels import Pixels
from counterfactory.report import cells, gallery, plots
from counterfactory.types import Gallery, Interval, Plot, Report, Table

RUN_FACTS = ("run", "recipe", "data", "date", "seconds", "version", "command")  # in the order that they are shown
OTHER_FACTS = {"config", "failed", "failures"}
FAILURES_SHOWN = 200


def write(report: Report, path: Path, pixels: Pixels, facts: Mapping[str, Any]) -> Path:
    """Render the page into a file that is whole or, after a kill, the one before."""
    page = render(report, pixels, facts)
    part = path.with_name(f".part-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8", newline="\n")
        os.replace(part, path)
    return path


def render(report: Report, pixels: Pixels, facts: Mapping[str, Any]) -> str:
    """The whole page as text; the same input gives the same bytes.

    `facts` may name run, recipe, data, command, version, date, seconds, config (as text), failed (a count) and
    failures (each with key, step, reason and perhaps item); any other fact is shown after these.
    """
    style, script = _file("page.css"), _file("page.js")
    galleries = [each for each in report.galleries if each.pictures]
    page = _template().render(
        title=report.title,
        summary=report.summary,
        tiles=[(name, _tile(name, value)) for name, value in report.numbers.items()],
        tables=[_table(table) for table in report.tables],
        plots=[_plot(plot, index) for index, plot in enumerate(report.plots, 1)],
        galleries=[_gallery(each) for each in galleries],
        pictures=_pictures(galleries, pixels),
        run=_run(facts),
        style=style,
        script=script,
        policy=_policy(style, script),
    )
    return page.encode("utf-8", "replace").decode()  # file names may hold bytes that are no text


def _template() -> Template:
    environment = Environment(
        autoescape=True, loader=FunctionLoader(_file), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template("page.html.jinja")


def _file(name: str) -> str:
    return (files("counterfactory.report") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What the browser may do here: show the page's own pictures, obey its own style and script, and nothing else."""
    hashes = {"style-src": style, "script-src": script}
    allowed = [f"{name} 'sha256-{_sha256(source)}'" for name, source in hashes.items()]
    return "; ".join(["default-src 'none'", "img-src data:", *allowed, "base-uri 'none'", "form-action 'none'"])


def _sha256(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _tile(name: str, value: Any) -> cells.Cell:
    return cells.cell(value, 1 if cells.says_percent(name) and isinstance(value, float | Interval) else None)


def _table(table: Table) -> dict[str, Any]:
    rows = cells.rows(table)
    numeric = [any(row[index].order is not None for row in rows) for index in range(len(table.columns))]
    return {
        "title": table.title,
        "note": table.note,
        "columns": list(zip(table.columns, numeric, strict=True)),
        "rows": rows,
        "reading": _reading(table, rows),
    }


def _reading(table: Table, rows: Sequence[Sequence[cells.Cell]]) -> str:
    """How to read the marks that this table has."""
    times = {cell.n for row in table.rows for cell in row if isinstance(cell, Interval) and cell.low is not None}
    said = []
    if times:
        span = f"{min(times):,}" + (f" to {max(times):,}" if len(times) > 1 else "")
        many = f" (n = {span})" if max(times) > 1 else ""
        said.append(f"± is half of the 95 % interval{many}.")
    if any(cell.best for row in rows for cell in row):
        said.append("★ marks the best mean of a column.")
    return " ".join(said)


def _plot(plot: Plot, index: int) -> dict[str, Any]:
    plot = plots.shown(plot)
    numbers = plots.table(plot)
    return {
        "title": plot.title,
        "drawing": plots.svg(plot, f"plot-{index}-"),
        "numbers": _table(numbers) if numbers else None,
    }


def _gallery(shown: Gallery) -> dict[str, Any]:
    """What the page says about a gallery; its pictures lie in one script block for all."""
    pictures = gallery.chosen(shown)
    labels = [picture.label for picture in pictures]
    return {
        "title": shown.title,
        "note": shown.note,
        "total": len(shown.pictures),
        "count": len(pictures),
        "paired": any(picture.source is not None for picture in pictures),
        "compared": any(picture.difference is not None for picture in pictures),
        "labels": [(label, labels.count(label)) for label in sorted(set(labels))],
        "scores": list(dict.fromkeys(name for picture in pictures for name in picture.scores)),
    }


def _pictures(galleries: Sequence[Gallery], pixels: Pixels) -> dict[str, Any]:
    return {
        "images": gallery.thumbnails(galleries, pixels),
        "galleries": [[gallery.described(picture) for picture in gallery.chosen(each)] for each in galleries],
    }


def _run(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the run, in words."""
    said = {name: facts[name] for name in RUN_FACTS if facts.get(name) is not None}
    said |= {name: value for name, value in facts.items() if name not in {*RUN_FACTS, *OTHER_FACTS}}
    failures = facts.get("failures") or ()
    return {
        "facts": dict(_fact(name, value) for name, value in said.items()),
        "config": facts.get("config") or "",
        "failed": max(int(facts.get("failed") or 0), len(failures)),
        "failures": failures[:FAILURES_SHOWN],
    }


def _fact(name: str, value: Any) -> tuple[str, str]:
    return ("time taken", cells.duration(value)) if name == "seconds" else (name, cells.text(value))

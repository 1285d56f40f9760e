"""Commands about what people said."""

from pathlib import Path
from typing import Annotated

import typer

from counterfactory.cli.options import Json
from counterfactory.cli.output import as_rows, finish, first_table

Sheets = Annotated[list[Path], typer.Argument(help="Filled sheets, one for each rater.")]
Key = Annotated[Path, typer.Option(help="The key that was written with them.")]


def agreement(sheets: Sheets, key: Key, as_json: Json = False) -> None:
    """Say what people answered about a sheet's pictures, and how far they agree."""
    from counterfactory.recipes.agreement import agreement as agreed

    report = agreed(sheets, key)
    answer = {"summary": report.summary, "answers": as_rows(report.tables[0])}
    finish(answer, as_json, [*first_table(report), *report.summary])

"""The options that several commands share, each stated once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str, typer.Argument(help="A folder, file or `diorama:`; `counterfactory inspect` says how it is read.")
]
Workspace = Annotated[Path, typer.Option(help="Where runs and all that they share are kept.")]
Name = Annotated[str | None, typer.Option(help="The run's name; without it, recipe, data and a hash of the settings.")]
Config = Annotated[
    Path | None, typer.Option(help="A YAML file of settings; `counterfactory schema` says what may stand in it.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as in --set classifier.steps=300. Repeatable.")
]
Preset = Annotated[str | None, typer.Option(help="tiny, default, paper ...: `counterfactory recipes` lists them.")]
Seed = Annotated[int | None, typer.Option(help="The seed from which all randomness branches.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use at most so many images of each split.")]
Device = Annotated[str | None, typer.Option(help="Where models run; `auto` takes the best there is.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]

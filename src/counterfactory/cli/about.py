"""Commands about the tool itself: its recipes, models and settings, and what this machine can do."""

from typing import Annotated

import typer

from counterfactory import __version__, plugins
from counterfactory.cli.jobs import RUNS
from counterfactory.cli.options import Json, Workspace
from counterfactory.cli.output import columns, finish, say
from counterfactory.errors import unknown


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"counterfactory {__version__}")
        raise typer.Exit


def program(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Say which version this is, and end."),
    ] = False,
) -> None:
    """What generative models can add to a labelled image set."""


def recipes(as_json: Json = False) -> None:
    """List the recipes of every job, with their presets."""
    rows = []
    for job in plugins.JOBS:
        for name in plugins.recipe_names(job):
            recipe = plugins.load_recipe(job, name)
            rows.append((job, name, ", ".join(plugins.presets(recipe)), (recipe.__doc__ or "").splitlines()[0]))
    heads = ["job", "recipe", "presets", "what"]
    finish({"recipes": [dict(zip(heads, row, strict=True)) for row in rows]}, as_json, columns(rows, heads))


def schema(
    recipe: Annotated[str | None, typer.Argument(help="A recipe; without it, all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of configuration files, for editors and for reading."""
    import json

    from counterfactory.recipes.job import schemas

    pairs = [(job, name) for job in plugins.JOBS for name in plugins.recipe_names(job) if recipe in {None, name}]
    if not pairs:
        raise unknown("recipe", str(recipe), {n for job in plugins.JOBS for n in plugins.recipe_names(job)})
    found = schemas(pairs)
    finish(found, as_json, [json.dumps(found, indent=2)])


def doctor(workspace: Workspace = RUNS, as_json: Json = False) -> None:
    """Say what this machine can do, and how to mend what is missing."""
    from counterfactory.doctor import examine

    findings = examine(workspace.resolve())
    words = [
        f"{'ok  ' if f.fine else 'MEND'} {f.what}: {f.seen}" + (f" -> {f.remedy}" if f.remedy else "") for f in findings
    ]
    finish({f.what: {"ok": f.fine, "seen": f.seen, "remedy": f.remedy} for f in findings}, as_json, words)

"""All commands, in the order that `--help` lists them."""

import typer

from counterfactory.cli import about, data, jobs, models, people, workspace
from counterfactory.plugins import recipe_names

app = typer.Typer(
    help="What generative models can add to a labelled image set.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.callback()(about.program)
app.command()(jobs.demo)
app.command(hidden=not recipe_names("augment"))(jobs.augment)
app.command(hidden=not recipe_names("compare"))(jobs.compare)
app.command(hidden=not recipe_names("stress"))(jobs.stress)
app.command(hidden=not recipe_names("synthesize"))(jobs.synthesize)
app.command(hidden=not recipe_names("explain"))(jobs.explain)
app.command()(jobs.train)
app.command()(jobs.evaluate)
app.command("inspect")(data.inspect_data)
app.command()(data.export)
app.command()(people.agreement)
app.command()(workspace.report)
app.command()(workspace.runs)
app.command()(workspace.prune)
app.command()(about.recipes)
app.add_typer(models.models, name="models")
app.command()(about.schema)
app.command()(data.diorama)
app.command()(about.doctor)

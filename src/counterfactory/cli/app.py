"""All commands, in the order that `--help` lists them."""

import typer

from counterfactory.cli import about, data, jobs, models, people, workspace

app = typer.Typer(
    help="What generative models can add to a labelled image set.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.callback()(about.program)
app.command()(jobs.demo)
app.command()(jobs.augment)
app.command()(jobs.compare)
app.command()(jobs.stress)
app.command()(jobs.synthesize)
app.command()(jobs.explain)
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

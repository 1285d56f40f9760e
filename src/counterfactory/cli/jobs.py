"""The jobs: each command says what it takes beside the options of every job, and what is to be done with it."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfactory.cli.options import Config, Data, Device, Json, Limit, Name, Preset, Seed, Set, Workspace
from counterfactory.errors import BadConfig

RUNS = Path("runs")
DEMO_DATA = "diorama:train=100,validation=100,test=100"
Recipe = Annotated[str | None, typer.Option(help="The method; `counterfactory recipes` lists them.")]
Model = Annotated[
    str, typer.Argument(help="A run of `train`, a model folder or a hub id; a run of `explain` without data.")
]
UnderTest = Annotated[
    str | None,
    typer.Option("--model", help="A run of `train`, a folder, a hub id, an .onnx file, module:function or http://..."),
]
Asked = Annotated[
    str | None,
    typer.Option("--model", help="The classifier: a run of `train`, a folder or a hub id; it gives gradients."),
]
Labels = Annotated[str | None, typer.Option(help="A YAML file of the model's class names to the data's.")]
Sources = Annotated[
    list[str], typer.Argument(help="One or more folders, files or `diorama:`; their splits are joined.")
]
TestData = Annotated[
    list[str] | None, typer.Argument(help="What the classifier is measured on: folders, files or `diorama:`.")
]
Recipes = Annotated[str | None, typer.Option(help="The methods, as in baseline,dalda.")]
Shots = Annotated[int | None, typer.Option(min=1, help="Training images a class; without it, as the preset says.")]
SeveralShots = Annotated[str | None, typer.Option("--shots", help="Training images a class, as in 1,2,4,8.")]
Seeds = Annotated[str | None, typer.Option(help="Repetitions, as in 0,1,2: their spread gives the intervals.")]
Stage = Annotated[str | None, typer.Option(help="One stage alone: adapt, search, generate or cas.")]
Made = Annotated[str | None, typer.Option(help="A data set made elsewhere, to be scored in place of drawings.")]
Given = Mapping[str, Any]  # settings that the command line says in its own words
OF_EVERY_JOB: Mapping[str, tuple[Any, Any]] = {  # what it is on the command line, and without being said
    "workspace": (Workspace, RUNS),
    "name": (Name, None),
    "config": (Config, None),
    "sets": (Set, None),
    "preset": (Preset, None),
    "seed": (Seed, None),
    "limit": (Limit, None),
    "device": (Device, None),
    "as_json": (Json, False),
}


def job(gather: Callable[..., Given]) -> Callable[..., None]:
    """The command that performs what a function gathers: a job of its name, with the options of every job."""
    own = inspect.signature(gather).parameters

    def command(**said: Any) -> None:
        from counterfactory.cli.session import Options, perform

        given = {"job": gather.__name__, **gather(**{name: said[name] for name in own})}
        options = {name: said[name] for name in OF_EVERY_JOB}
        perform(given.pop("job"), given, Options(**{**options, "sets": options["sets"] or []}))

    shared = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=said)
        for name, (said, default) in OF_EVERY_JOB.items()
        if name not in own
    }
    taken = {**own, **shared}
    command.__name__, command.__doc__ = gather.__name__, gather.__doc__
    command.__annotations__ = {name: parameter.annotation for name, parameter in taken.items()}
    vars(command)["__signature__"] = inspect.Signature(list(taken.values()))
    return command


@job
def demo(name: Name = "demo", preset: Preset = "tiny") -> Given:
    """Show what the tool does, on pictures it makes itself, offline and within a minute."""
    return {"job": "stress", "data": DEMO_DATA, "recipe": "dillema"}


@job
def augment(data: Data, recipe: Recipe = None, shots: Shots = None, seeds: Seeds = None) -> Given:
    """Get a better classifier from few images, and learn whether augmentation earned its cost."""
    return {"data": data, "recipe": recipe, "shots": shots, "seeds": numbers(seeds, "--seeds")}


@job
def compare(data: Data, recipes: Recipes = None, shots: SeveralShots = None, seeds: Seeds = None) -> Given:
    """Run several augmentation recipes on the same few images and put them into one table."""
    asked = recipes.split(",") if recipes else None
    return {"data": data, "recipes": asked, "shots": numbers(shots, "--shots"), "seeds": numbers(seeds, "--seeds")}


@job
def stress(
    data: Data, model: UnderTest = None, labels: Labels = None, recipe: Recipe = None, workspace: Workspace = RUNS
) -> Given:
    """Find out which plausible changes of an image break a trained model."""
    return {"data": data, "model": model and tested_model(workspace, model), "labels": labels, "recipe": recipe}


@job
def synthesize(data: Data, recipe: Recipe = None, stage: Stage = None, made: Made = None, seeds: Seeds = None) -> Given:
    """Draw a whole data set that trains a classifier, and measure how well."""
    asked = {"stage": stage, "made": made, "seeds": numbers(seeds, "--seeds")}
    return {"data": data, "recipe": recipe, **asked}


@job
def explain(data: Data, model: Asked = None, recipe: Recipe = None) -> Given:
    """Show the smallest change of an image that changes a model's answer."""
    return {"data": data, "model": model, "recipe": recipe}


@job
def train(data: Sources, recipe: Recipe = None) -> Given:
    """Train a classifier on real or exported synthetic data, or on both together; or a denoiser for explanations."""
    return {"data": data, "recipe": recipe}


@job
def evaluate(model: Model, data: TestData = None, workspace: Workspace = RUNS) -> Given:
    """Measure a classifier on every test split of some data, or the explanations of a run."""
    from counterfactory.cli.workspace import explanations_of, trained_model

    if not data:
        return explanations_of(workspace, model)
    return {"data": data, "model": trained_model(workspace, model)}


def tested_model(workspace: Path, name: str) -> str:
    """The model of a run, which is named or whose folder is, or whatever else the name stands for."""
    for folder in (workspace / name / "model", Path(name) / "model"):
        if any((folder / file).exists() for file in ("config.json", "model_index.json")):
            return str(folder.resolve())
    return name


def numbers(text: str | None, option: str) -> list[int] | None:
    """`0,1,2` as numbers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadConfig(f"{option} {text!r} is no list of whole numbers; expected for example 0,1,2.") from None

"""The jobs: each command gathers its options and performs."""

from pathlib import Path
from typing import Annotated

import typer

from counterfactory.cli.options import Config, Data, Device, Json, Limit, Name, Preset, Seed, Set, Workspace
from counterfactory.errors import BadConfig, Unavailable
from counterfactory.plugins import recipe_names

RUNS = Path("runs")
DEMO_DATA = "diorama:train=100,validation=100,test=100"
Recipe = Annotated[str | None, typer.Option(help="The method; `counterfactory recipes` lists them.")]
Model = Annotated[str, typer.Argument(help="A run of `train`, a model folder or a hub id.")]
UnderTest = Annotated[
    str | None,
    typer.Option("--model", help="A run of `train`, a folder, a hub id, an .onnx file, module:function or http://..."),
]
Labels = Annotated[str | None, typer.Option(help="A YAML file of the model's class names to the data's.")]
Sources = Annotated[
    list[str], typer.Argument(help="One or more folders, files or `diorama:`; their splits are joined.")
]
Recipes = Annotated[str, typer.Option(help="The methods, as in baseline,dalda.")]
Shots = Annotated[int | None, typer.Option(min=1, help="Training images a class; without it, as the preset says.")]
Seeds = Annotated[str | None, typer.Option(help="Repetitions, as in 0,1,2: their spread gives the intervals.")]


def demo(
    workspace: Workspace = RUNS,
    name: Name = "demo",
    config: Config = None,
    sets: Set = None,
    preset: Preset = "tiny",
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Show what the tool does, on pictures it makes itself, offline and within a minute."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("stress", {"data": DEMO_DATA, "recipe": "dillema"}, options)


def augment(
    data: Data,
    recipe: Recipe = None,
    shots: Shots = None,
    seeds: Seeds = None,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Get a better classifier from few images, and learn whether augmentation earned its cost."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("augment", {"data": data, "recipe": recipe, "shots": shots, "seeds": numbers(seeds)}, options)


def compare(
    data: Data,
    recipes: Recipes = "",
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Run several augmentation recipes and put them into one table."""
    names = ", ".join(recipe_names("augment"))
    raise Unavailable(f"`compare` joins several augmentation recipes and this version has only {names}; use `augment`.")


def stress(
    data: Data,
    model: UnderTest = None,
    labels: Labels = None,
    recipe: Recipe = None,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Find out which plausible changes of an image break a trained model."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    given = {"data": data, "model": model and tested_model(workspace, model), "labels": labels, "recipe": recipe}
    perform("stress", given, options)


def synthesize(
    data: Data,
    recipe: Recipe = None,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Draw a whole data set that trains a classifier."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("synthesize", {"data": data, "recipe": recipe}, options)


def explain(
    data: Data,
    recipe: Recipe = None,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Show the smallest change of an image that changes a model's answer."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("explain", {"data": data, "recipe": recipe}, options)


def train(
    data: Sources,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Train a classifier on real or exported synthetic data, or on both together."""
    from counterfactory.cli.session import Options, perform

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("train", {"data": data}, options)


def evaluate(
    model: Model,
    data: Sources,
    workspace: Workspace = RUNS,
    name: Name = None,
    config: Config = None,
    sets: Set = None,
    preset: Preset = None,
    seed: Seed = None,
    limit: Limit = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Measure a classifier on every test split of some data."""
    from counterfactory.cli.session import Options, perform
    from counterfactory.cli.workspace import trained_model

    options = Options(
        workspace=workspace, name=name, config=config, sets=sets or [], preset=preset,
        seed=seed, limit=limit, device=device, as_json=as_json,
    )  # fmt: skip
    perform("evaluate", {"data": data, "model": trained_model(workspace, model)}, options)


def tested_model(workspace: Path, name: str) -> str:
    """The model of a run of this workspace, or whatever else the name stands for."""
    folder = workspace / name / "model"
    return str(folder.resolve()) if (folder / "config.json").exists() else name


def numbers(text: str | None) -> list[int] | None:
    """`0,1,2` as numbers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadConfig(f"--seeds {text!r} is no list of whole numbers; expected for example 0,1,2.") from None

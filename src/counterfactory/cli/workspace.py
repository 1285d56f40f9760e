"""Commands about what was done: list the runs, write a page again, and delete what no run needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfactory.cli.jobs import RUNS
from counterfactory.cli.options import Json, Workspace
from counterfactory.cli.output import columns, finish
from counterfactory.errors import BadData, RunTooNew, unknown

RunName = Annotated[str, typer.Argument(help="A run's name or folder.")]


def report(run: RunName, workspace: Workspace = RUNS, as_json: Json = False) -> None:
    """Write a run's page again, from what the run kept."""
    from counterfactory.cli.session import write_page

    folder = existing_run(workspace, run)
    if not (folder / "report" / "report.json").exists():
        raise BadData(f"{folder} has not come to its end; give its command again and it goes on where it stopped.")
    page = write_page(folder)
    finish({"run": folder, "report": page}, as_json, [f"Page: {page}"])


def runs(workspace: Workspace = RUNS, as_json: Json = False) -> None:
    """List the runs of a workspace."""
    from counterfactory.prune import run_folders

    folders = run_folders(workspace)
    said = [_said(folder) for folder in folders if (folder / "run.yaml").exists()]
    rows = [_row(one) for one in said]
    words = columns(rows, ["run", "job", "images", "failed", "finished"]) if rows else [f"No runs in {workspace}."]
    words += [one["reason"] for one in said if "reason" in one]
    words += [f"{f.name} has no run.yaml; its results stay." for f in folders if not (f / "run.yaml").exists()]
    finish({"runs": said}, as_json, words)


def prune(
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs to delete; without any, only what no run needs.")
    ] = None,
    workspace: Workspace = RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Delete runs, and the results, images and models that no run needs any more. Nothing else ever deletes."""
    from counterfactory.prune import prune as clean

    doomed = [existing_run(workspace, name) for name in run or []]
    gone = clean(workspace, doomed, dry=not yes)
    verb = "Deleted" if yes else "Would delete (give --yes to do it)"
    finish(
        {"deleted": yes, **gone}, as_json, [f"{verb}: " + ", ".join(f"{count} {what}" for what, count in gone.items())]
    )


def existing_run(workspace: Path, run: str) -> Path:
    """The folder of a run given by name or by folder."""
    from counterfactory.prune import run_folders

    for folder in ((workspace / run).resolve(), Path(run).resolve()):
        if folder in run_folders(folder.parent):
            return folder
    raise unknown("run", run, [folder.name for folder in run_folders(workspace)])


def explanations_of(workspace: Path, name: str) -> dict[str, Any]:
    """What measures a run of `explain`: its pictures, the classifier that it explained, and the data it came from."""
    from counterfactory.record import read_record

    record = read_record(folder := existing_run(workspace, name))
    if record.job != "explain":
        raise BadData(f"{name} is a run of `{record.job}`, not of `explain`; to measure its model, give data too.")
    if not (folder / "data").is_dir():
        raise BadData(f"The run {name} has no explanations yet; give its command again and it goes on.")
    asked = {name: record.config.get(name) for name in ("model", "labels")}  # the classifier, and what it calls classes
    known = {"reference": record.config["data"], **{name: value for name, value in asked.items() if value}}
    return {"recipe": "explanations", "data": str(folder / "data"), "unless_said": known}


def _said(folder: Path) -> dict[str, Any]:
    """What a run says of itself, or why that cannot be read."""
    from dataclasses import asdict

    from counterfactory.record import read_record

    try:
        return asdict(read_record(folder))
    except BadData as error:
        return {"name": folder.name, "state": "damaged", "reason": str(error)}
    except RunTooNew as error:
        return {"name": folder.name, "state": "of a later version", "reason": str(error)}


def _row(said: Mapping[str, Any]) -> list[object]:
    if "state" in said:
        return [said["name"], "", "", "", said["state"]]
    return [said["name"], said["job"], said["images"], said["failed"], said["finished"] or "not finished"]


def trained_model(workspace: Path, name: str) -> str:
    """The model that a person names: a run's own, any folder, one of the zoo, or a hub id."""
    from counterfactory.names import HUB_ID
    from counterfactory.prune import run_folders
    from counterfactory.shipped import is_shipped

    for folder in (workspace / name / "model", Path(name) / "model", Path(name)):
        if (folder / "config.json").exists():
            return str(folder.resolve())
    if is_shipped(name) or (HUB_ID.fullmatch(name) and not Path(name).exists()):
        return name
    raise unknown("model", name, [f.name for f in run_folders(workspace) if (f / "model").is_dir()])

"""Commands about data: what a path holds, Diorama's pictures, and a run's images in other formats."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from counterfactory.cli.jobs import RUNS
from counterfactory.cli.options import Data, Json, Workspace
from counterfactory.cli.output import columns, finish, note
from counterfactory.errors import BadData

if TYPE_CHECKING:
    from counterfactory.data.inspect import Inspection

Format = Annotated[
    Literal["imagefolder", "parquet", "webdataset", "csv", "dime"],
    typer.Option(help="In which form; `dime` is the published folder tree of explanations."),
]
Out = Annotated[Path, typer.Argument(help="A folder that is made; it must not hold anything yet.")]


def inspect_data(data: Data, as_json: Json = False) -> None:
    """Say how a path is read: its kind, splits, classes, counts, sizes and problems."""
    from counterfactory.data.inspect import inspect
    from counterfactory.data.read import read

    found = inspect(read(data), os.cpu_count() or 1)
    finish(asdict(found), as_json, _words(found))


def export(
    run: Annotated[str, typer.Argument(help="A run's name or folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to; without it, `export-FORMAT` in the run.")] = None,
    format: Format = "imagefolder",
    workspace: Workspace = RUNS,
    as_json: Json = False,
) -> None:
    """Write a run's images, with their lineage, for other tools to read."""
    from counterfactory.cli.workspace import existing_run

    folder = existing_run(workspace, run)
    if not (folder / "data").is_dir():
        raise BadData(f"The run {folder.name} has no images to export: it published none, or has not come to its end.")
    written = _written(folder / "data", out or folder / f"export-{format}", format)
    finish({"run": folder, "format": format, "out": written}, as_json, [f"Written: {written}"])


def diorama(
    out: Out,
    num: Annotated[int, typer.Option(min=1, help="Training images; validation has half, each test as many.")] = 400,
    seed: Annotated[int, typer.Option(help="The seed of all scenes.")] = 0,
    options: Annotated[str, typer.Option(help="More options of `diorama:`, as in classes=all.")] = "",
    as_json: Json = False,
) -> None:
    """Make a folder of Diorama's pictures, with captions, masks and all factors."""
    from counterfactory.data.diorama import read, write

    sizes = f"train={num},validation={max(1, num // 2)},test={num},seed={seed}"
    collection = read(",".join(filter(None, [sizes, options])))
    write(collection, out, os.cpu_count() or 1)
    counts = {name: len(split) for name, split in collection.splits.items()}
    finish({"out": out.resolve(), "images": counts}, as_json, [f"{sum(counts.values())} images in {out}"])


def _written(folder: Path, out: Path, form: str) -> Path:
    if form == "dime":
        from counterfactory.recipes.export_dime import export as write_tree

        return write_tree(folder, out, note)
    from counterfactory.data.write import export as write

    return write(folder, out, form)  # type: ignore[arg-type]  # one of its forms


def _words(found: "Inspection") -> list[str]:
    splits = list(found.splits)
    rows: list[list[object]] = [[name, *[counts.get(s, 0) for s in splits]] for name, counts in found.classes.items()]
    rows.append(["all", *found.splits.values()])
    head = f"{found.name}: {found.kind}, {found.task}, {len(found.classes)} classes"
    sizes = ", ".join(f"{what} {width} x {height}" for what, (width, height) in found.sizes.items())
    modes = ", ".join(f"{count} {mode}" for mode, count in found.modes.items())
    listed = [f"- {problem.where}: {problem.what}" for problem in found.problems]
    problems = [f"Problems ({len(listed)}):", *listed] if listed else ["No problems found."]
    return [head, "", *columns(rows, ["class", *splits]), "", f"Sizes: {sizes}", f"Modes: {modes}", "", *problems]

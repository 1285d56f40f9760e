"""Commands about models: what can be named without a network, how others come, and whether a pipeline does its work."""

import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfactory.cli.jobs import RUNS
from counterfactory.cli.options import Device, Json, Workspace
from counterfactory.cli.output import columns, finish, first_table

if TYPE_CHECKING:
    from counterfactory.zoo.check.subject import Check

models = typer.Typer(rich_markup_mode=None)
Pipeline = Annotated[str, typer.Argument(help="A pipeline: `zoo:diorama`, a folder or a hub id.")]
Prompts = Annotated[
    int, typer.Option(min=1, help="Fresh captions to draw; the other measurements take a part of them.")
]
Steps = Annotated[int, typer.Option(min=1, help="Of each drawing.")]
Guidance = Annotated[float, typer.Option(help="How much more than nothing a prompt counts.")]
Judge = Annotated[str, typer.Option(help="Who reads the pictures.")]


@models.callback(invoke_without_command=True)
def listed(context: typer.Context, workspace: Workspace = RUNS, as_json: Json = False) -> None:
    """List the models that can be named without a network, `fetch` others, or `check` one."""
    from counterfactory.catalogue import models as find

    if context.invoked_subcommand:
        return
    rows = [(model.name, model.kind, model.where) for model in find(workspace.resolve())]
    heads = ["name", "kind", "where"]
    none = ["None yet: `counterfactory train` makes one; any local model folder can be named."]
    words = columns(rows, heads) if rows else none
    finish({"models": [dict(zip(heads, row, strict=True)) for row in rows]}, as_json, words)


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A hub id, `owner/model` or `owner/model@revision`.")],
    beside: Annotated[list[str] | None, typer.Option("--with", help="A companion, such as a ControlNet.")] = None,
    as_json: Json = False,
) -> None:
    """Bring a model, and what goes beside it, to this machine's cache: named later, it needs no network."""
    rows = [(model, _fetched(model)) for model in [name, *(beside or [])]]
    words = columns([(model, folder) for model, folder in rows], ["name", "folder"])
    finish({"models": [{"name": model, "folder": folder} for model, folder in rows]}, as_json, words)


def _fetched(name: str) -> Path:
    """The folder of a model that can be loaded from it."""
    from counterfactory.diffusion.fits import INDEX, refuse_misfits
    from counterfactory.errors import BadConfig, Unavailable
    from counterfactory.names import is_offline, model_folder

    try:
        folder = model_folder(name)
    except Unavailable:
        if not is_offline():
            raise
        raise Unavailable(
            f"{name!r} is not in this machine's cache, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids to ask the "
            "hub; take the setting back where there is a network and fetch again."
        ) from None
    if (folder / INDEX).exists():
        refuse_misfits(folder)
    elif not any(folder.rglob("*.safetensors")):
        raise BadConfig(
            f"{name!r} is fetched and has no safetensors, which alone are read here: pickles can run code. Take a "
            "revision that has them (owner/model@revision), or another model."
        )
    return folder


@models.command()
def convert(
    file: Annotated[Path, typer.Argument(help="Weights of guided-diffusion's kind, .pt or .safetensors.")],
    to: Annotated[Path, typer.Option(help="The folder to write.")],
    flags: Annotated[
        str, typer.Option(help='What it was trained with, in one string: "--image_size 128 --num_heads 4 ...".')
    ],
    as_json: Json = False,
) -> None:
    """Turn a diffusion model that guided-diffusion trained into a folder that explanations take."""
    from dataclasses import asdict

    from counterfactory.diffusion.flags import read_flags
    from counterfactory.diffusion.guided import convert as turn

    said = read_flags(flags)
    done = turn(file, said, to)
    readers = "plain diffusers reads it too" if done.is_plain else "plain diffusers has no words for its heads or times"
    words = f"{done.folder}: {done.parameters / 1e6:.1f} million parameters, {done.steps} steps; {readers}."
    usual = [f"Nobody said {name}: taken as {value!r}, as guided-diffusion does." for name, value in said.unsaid]
    finish(asdict(done), as_json, [words, *usual])


@models.command()
def check(
    name: Pipeline = "zoo:diorama",
    prompts: Prompts = 1000,
    steps: Steps = 25,
    guidance: Guidance = 4.0,
    seed: Annotated[int, typer.Option(min=0, help="The seed from which all randomness branches.")] = 0,
    workspace: Workspace = RUNS,
    device: Device = None,
    judge: Judge = "zoo:diorama/judge",
    as_json: Json = False,
) -> None:
    """Draw from a pipeline and its companions, let the judge read, and say what is right."""
    from counterfactory.zoo.check.subject import Check

    wanted = Check(model=name, judge=judge, prompts=prompts, steps=steps, guidance=guidance, seed=seed)
    answer, words = _checked(wanted, workspace, device or "auto")
    finish(answer, as_json, words)


def _checked(check: "Check", workspace: Path, device: str) -> tuple[dict[str, Any], list[str]]:
    """The check as a run of the workspace, which goes on where it was when it is given again."""
    from counterfactory import __version__
    from counterfactory.cli.progress import watcher
    from counterfactory.cli.session import keep_report, run_folder, write_page
    from counterfactory.record import Record, write_record
    from counterfactory.run import Run
    from counterfactory.worker import Worker, choose_device
    from counterfactory.zoo.check.whole import checked, refuse

    refuse(check)
    began, started = time.monotonic(), datetime.now(UTC)
    folder = run_folder(workspace, _run_name(check))
    record = Record(
        name=folder.name, job="check", command=shlex.join(["counterfactory", *sys.argv[1:]]), version=__version__,
        config={"recipe": "models check", "data": ["fresh Diorama scenes"], **check.model_dump()},
        started=started.isoformat(timespec="seconds"),
    )  # fmt: skip
    with Run(folder, Worker(workspace=folder.parent, device=choose_device(device)), watcher()) as run:
        write_record(folder, record)
        found = checked(run, check)
        failed = keep_report(run, found.report)
    seconds = round(time.monotonic() - began, 2)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_record(folder, replace(record, finished=finished, seconds=seconds, failed=failed))
    answer = {"run": folder, "report": write_page(folder), "failed": failed, "seconds": seconds, **found.numbers}
    return answer, [*first_table(found.report), *found.report.summary, f"Page: {answer['report']}"]


def _run_name(check: "Check") -> str:
    """The model and a hash of all that is asked and of what the models hold."""
    import re

    from counterfactory.keys import key

    name = re.sub(r"[^\w.-]+", "-", check.model).strip("-.")[-40:].strip("-.") or "model"
    return f"check-{name}-{key(check)[:8]}"

"""One job from its settings to its page: opens the run, reads the data, runs the recipe, writes what was found."""

import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from counterfactory import __version__, codec, keys
from counterfactory.cli.jobs import tested_model
from counterfactory.cli.output import as_plain, as_rows, finish, first_table, note
from counterfactory.config import to_yaml
from counterfactory.errors import BadConfig, BadData, Unavailable, UnknownName, writing
from counterfactory.names import is_model_name
from counterfactory.recipes.job import Job, build, identifying, rebuilt, resolved
from counterfactory.record import Record, read_record, write_record
from counterfactory.types import Collection, Report

REFUSALS = (BadData, BadConfig, UnknownName, Unavailable)  # after these the same command can only fail again


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every job's command line takes."""

    workspace: Path
    name: str | None
    config: Path | None
    sets: Sequence[str]
    preset: str | None
    seed: int | None
    limit: int | None
    device: str | None
    as_json: bool


def perform(job_name: str, given: Mapping[str, Any], options: Options) -> None:
    """Do a job and say where its page is."""
    common = {"job": job_name, "preset": options.preset, "limit": options.limit, "device": options.device}
    job, recipe = build({**common, **given}, options.config, options.sets, options.seed)
    recipe = with_models_of_runs(recipe, options.workspace)
    name = options.name or run_name(job, recipe)
    folder = run_folder(options.workspace, name)
    record = Record(
        name=name, job=job.job, command=shlex.join(["counterfactory", *sys.argv[1:]]), version=__version__,
        config=resolved(job, recipe), started=_now(),
    )  # fmt: skip
    began = time.monotonic()
    found = _run(folder, record, job, recipe)
    seconds = round(time.monotonic() - began, 2)
    images, failed, report = found.images, found.failed, found.report
    if found.is_new:
        write_record(folder, replace(record, finished=_now(), seconds=seconds, images=images, failed=failed))
    page = write_page(folder)
    answer = {"run": folder, "report": page, "images": images, "failed": failed, "seconds": seconds}
    words = [
        *report.summary,
        f"Page: {page}",
        f"Run:  {folder} ({images} images drawn, {failed} failed, {seconds:.0f} s)",
    ]
    shown = {"numbers": as_plain(report.numbers), "tables": {table.title: as_rows(table) for table in report.tables}}
    finish({**answer, **shown}, options.as_json, [*first_table(report), *words])


def with_models_of_runs(recipe: BaseModel, workspace: Path) -> BaseModel:
    """A recipe whose models may be named by the runs that trained them."""
    fields = {name: getattr(recipe, name) for name, field in type(recipe).model_fields.items() if is_model_name(field)}
    found = {name: tested_model(workspace, said) for name, said in fields.items() if said and isinstance(said, str)}
    return recipe.model_copy(update=found)


def run_name(job: Job, recipe: BaseModel) -> str:
    """Recipe, data and a hash of all settings that change a result: the same command finds its own run again."""
    from counterfactory.publish import name_of

    data = re.sub(r"[^\w.-]+", "-", name_of(Path(job.data[0])) or job.data[0])[:40].strip("-.") or "data"
    return f"{job.recipe}-{data}-{keys.key(identifying(job, recipe), type(recipe).__qualname__)[:8]}"


def run_folder(workspace: Path, name: str) -> Path:
    """Where a run of that name lies; a name may not leave the workspace."""
    if not re.fullmatch(r"[\w][\w.+-]{0,199}", name) or name in {"blobs", "artifacts"} or name.startswith("store.db"):
        raise BadConfig(f"{name!r} cannot be a run's name; expected up to 200 letters, digits, '-', '_', '+' and '.'.")
    return workspace.resolve() / name


def write_page(folder: Path) -> Path:
    """Render a run's page from what the run kept."""
    from counterfactory.blobs import Blobs
    from counterfactory.pixels import Pixels
    from counterfactory.report.page import write

    record, (report, failures) = read_record(folder), _kept(folder / "report" / "report.json")
    facts = {
        "run": record.name, "command": record.command, "version": record.version, "date": _readable(record.finished),
        "recipe": record.config["recipe"], "data": ", ".join(record.config["data"]), "seconds": record.seconds,
        "images": record.images, "failed": record.failed,
        "config": to_yaml(record.config), "failures": failures,
    }  # fmt: skip
    return write(report, folder / "report" / "index.html", Pixels(Blobs(folder.parent / "blobs")), facts)


def _kept(path: Path) -> tuple[Report, Sequence[Any]]:
    """The report that a run kept, and what failed."""
    try:
        kept = codec.decode(path.read_text(encoding="utf-8"))
        report, failures = kept["report"], kept["failures"]
    except (ValueError, TypeError, KeyError) as error:
        raise BadData(f"{path} is damaged ({error}); delete it and give the run's command again.") from None
    if not isinstance(report, Report) or not isinstance(failures, list | tuple):
        raise BadData(f"{path} holds no report; delete it and give the run's command again.")
    return report, failures


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run came to; `is_new` unless it was finished before and all of it was known."""

    report: Report
    images: int
    failed: int
    is_new: bool


def _run(folder: Path, record: Record, job: Job, recipe: Any) -> Found:
    from counterfactory.cli.progress import watcher
    from counterfactory.prune import discard
    from counterfactory.run import Run
    from counterfactory.worker import Worker, choose_device

    is_there = folder.exists()
    before = read_record(folder) if (folder / "run.yaml").exists() else None
    if before:
        _same_work(folder, before, identifying(job, recipe))
    worker = Worker(
        workspace=folder.parent, device=choose_device(job.device), dtype=job.dtype,
        deterministic=job.deterministic, batch_size=job.batch_size, memory=job.memory,
    )  # fmt: skip
    is_finished = before is not None and before.finished is not None
    with Run(folder, worker, watcher(), job.max_failures) as run:
        looked = None
        try:
            if not is_finished:
                write_record(folder, record)
            collection = _data(run, job)
            looked = run.made
            report, failed = _found(run, recipe, collection)
        except REFUSALS:
            if not is_there and looked in {None, run.made}:
                discard(folder)
            raise
        return Found(report=report, images=run.images, failed=failed, is_new=run.made > looked or not is_finished)


def _data(run: Any, job: Job) -> Collection:
    """The images that a job is about, without those that cannot be used; says what is wrong with them."""
    from counterfactory.data.join import join
    from counterfactory.data.limit import limit
    from counterfactory.data.read import read
    from counterfactory.recipes.prepare import usable

    collection = join([read(source) for source in job.data])
    collection = limit(collection, job.limit) if job.limit else collection
    for problem in collection.problems:
        note(f"{problem.where}: {problem.what}")
    return usable(run, collection)


def _found(run: Any, recipe: Any, collection: Collection) -> tuple[Report, int]:
    """What the recipe reports, kept for the page, and how many items failed."""
    from counterfactory.recipes.prepare import leaks

    warned = leaks(collection)
    for sentence in warned:
        note(sentence)
    report = recipe.run(run, collection)
    report = replace(report, summary=(*report.summary, *warned))
    return report, keep_report(run, report)


def keep_report(run: Any, report: Report) -> int:
    """A run's report, kept for its page beside what failed; how many items that is."""
    failures = [{"key": f.key, "step": f.step, "item": f.item, "reason": f.reason} for f in run.failures()]
    _write(run.folder / "report" / "report.json", codec.encode({"report": report, "failures": failures}))
    return len(failures)


def _same_work(folder: Path, before: Record, now: Mapping[str, Any]) -> None:
    """A name stands for one piece of work: other settings under it would write over what it found."""
    try:
        then = identifying(*rebuilt(before.config))
    except (ValidationError, UnknownName):  # by another version, with other fields
        then = before.config
    changed = [name for name in then if then[name] != now.get(name)]
    if changed:
        raise BadConfig(
            f"The run {folder.name!r} is there already, with another {', '.join(changed)}; "
            "choose another --name, or delete that run with `counterfactory prune`."
        )


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def _readable(moment: str | None) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC") if moment else "not finished"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

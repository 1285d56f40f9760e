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

from pydantic import BaseModel

from counterfactory import __version__, codec, keys
from counterfactory.cli.output import as_rows, finish, first_table, note
from counterfactory.config import to_yaml
from counterfactory.errors import BadConfig, BadData, writing
from counterfactory.recipes.job import MACHINE, Job, build, resolved
from counterfactory.record import Record, read_record, write_record
from counterfactory.types import Report


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
    name = options.name or run_name(job, recipe)
    folder = run_folder(options.workspace, name)
    record = Record(
        name=name, job=job.job, command=shlex.join(["counterfactory", *sys.argv[1:]]), version=__version__,
        config=resolved(job, recipe), started=_now(),
    )  # fmt: skip
    began = time.monotonic()
    report, images, failed = _run(folder, record, job, recipe)
    seconds = round(time.monotonic() - began, 2)
    write_record(folder, replace(record, finished=_now(), seconds=seconds, images=images, failed=failed))
    page = write_page(folder)
    answer = {"run": folder, "report": page, "images": images, "failed": failed, "seconds": seconds}
    words = [
        *report.summary,
        f"Page: {page}",
        f"Run:  {folder} ({images} images drawn, {failed} failed, {seconds:.0f} s)",
    ]
    shown = {"numbers": report.numbers, "tables": {table.title: as_rows(table) for table in report.tables}}
    finish({**answer, **shown}, options.as_json, [*first_table(report), *words])


def run_name(job: Job, recipe: BaseModel) -> str:
    """Recipe, data and a hash of all settings that change a result: the same command finds its own run again."""
    said = {k: v for k, v in resolved(job, recipe).items() if k not in MACHINE}
    data = re.sub(r"[^\w.-]+", "-", Path(job.data[0].rstrip("/")).name or job.data[0])[:40].strip("-.") or "data"
    return f"{job.recipe}-{data}-{keys.key(said, type(recipe).__qualname__)[:8]}"


def run_folder(workspace: Path, name: str) -> Path:
    """Where a run of that name lies; a name may not leave the workspace."""
    if not re.fullmatch(r"[\w][\w.+-]*", name) or name in {"blobs", "artifacts"} or name.startswith("store.db"):
        raise BadConfig(f"{name!r} cannot be a run's name; expected letters, digits, '-', '_', '+' and '.'.")
    return workspace.resolve() / name


def write_page(folder: Path) -> Path:
    """Render a run's page from what the run kept."""
    from counterfactory.blobs import Blobs
    from counterfactory.pixels import Pixels
    from counterfactory.report.page import write

    record, found = read_record(folder), folder / "report" / "report.json"
    try:
        kept = codec.decode(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadData(f"{found} is damaged ({error}); delete it and give the run's command again.") from None
    facts = {
        "run": record.name, "command": record.command, "version": record.version, "date": _readable(record.finished),
        "recipe": record.config["recipe"], "data": ", ".join(record.config["data"]), "seconds": record.seconds,
        "images": record.images, "failed": record.failed,
        "config": to_yaml(record.config), "failures": kept["failures"],
    }  # fmt: skip
    return write(kept["report"], folder / "report" / "index.html", Pixels(Blobs(folder.parent / "blobs")), facts)


def _run(folder: Path, record: Record, job: Job, recipe: Any) -> tuple[Report, int, int]:
    from counterfactory.cli.progress import watcher
    from counterfactory.data.join import join
    from counterfactory.data.limit import limit
    from counterfactory.data.read import read
    from counterfactory.recipes.prepare import leaks, usable
    from counterfactory.run import Run
    from counterfactory.worker import Worker, choose_device

    if (folder / "run.yaml").exists():
        _same_work(folder, read_record(folder), record)
    worker = Worker(
        workspace=folder.parent, device=choose_device(job.device), dtype=job.dtype,
        deterministic=job.deterministic, batch_size=job.batch_size,
    )  # fmt: skip
    with Run(folder, worker, watcher(), job.max_failures) as run:
        collection = join([read(source) for source in job.data])
        collection = limit(collection, job.limit) if job.limit else collection
        write_record(folder, record)
        for problem in collection.problems:
            note(f"{problem.where}: {problem.what}")
        collection = usable(run, collection)
        warned = leaks(collection)
        for sentence in warned:
            note(sentence)
        report = recipe.run(run, collection)
        report = replace(report, summary=(*report.summary, *warned))
        failures = [{"key": f.key, "step": f.step, "item": f.item, "reason": f.reason} for f in run.failures()]
        _write(folder / "report" / "report.json", codec.encode({"report": report, "failures": failures}))
        return report, run.images, len(failures)


def _same_work(folder: Path, before: Record, now: Record) -> None:
    """A name stands for one piece of work: other settings under it would write over what it found."""
    changed = [name for name in before.config if name not in MACHINE and before.config[name] != now.config.get(name)]
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

"""What a run folder says of itself: `run.yaml`. Knows no step and no recipe."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from counterfactory.errors import BadData, RunTooNew, writing

FORMAT = 1
NEEDED = {"name": str, "job": str, "command": str, "version": str, "config": dict, "started": str}


@dataclass(frozen=True, kw_only=True)
class Record:
    """The facts of one run; `config` is what `--config` takes to do the same again."""

    name: str
    job: str
    command: str
    version: str
    config: dict[str, Any]
    started: str
    finished: str | None = None
    seconds: float | None = None
    images: int = 0
    failed: int = 0
    format: int = field(default=FORMAT)


def read_record(folder: Path) -> Record:
    """The record of a run folder; one that a later version wrote is refused."""
    try:
        said = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadData(
            f"{folder} is not a run: it has no run.yaml. `counterfactory runs` lists those there are."
        ) from None
    except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: bytes that are no text
        raise _damaged(folder, f" ({' '.join(str(error).split())})") from None
    if not isinstance(said, dict) or not isinstance(said.get("format"), int):
        raise _damaged(folder)
    if said["format"] > FORMAT:
        raise RunTooNew(
            f"{folder} was written by Counterfactory {said.get('version', '?')} (format {said['format']}; "
            f"this one knows {FORMAT}). Upgrade Counterfactory, or choose another --name or --workspace."
        )
    said = {known.name: said[known.name] for known in fields(Record) if known.name in said}
    lacking = [name for name, kind in NEEDED.items() if not isinstance(said.get(name), kind)]
    if lacking:
        raise _damaged(folder, f" (it does not say {', '.join(lacking)})")
    return Record(**said)


def _damaged(folder: Path, how: str = "") -> BadData:
    return BadData(
        f"{folder / 'run.yaml'} is damaged{how}; mend it, delete the run with "
        "`counterfactory prune`, or give its command again with another --name."
    )


def write_record(folder: Path, record: Record) -> None:
    """Keep the record, whole or not at all."""
    part = folder / ".run.yaml.part"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(yaml.safe_dump(asdict(record), sort_keys=False, allow_unicode=True), encoding="utf-8")
        part.replace(folder / "run.yaml")

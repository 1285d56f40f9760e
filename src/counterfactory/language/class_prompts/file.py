"""Prompts for classes in a file that people edit: CSV or JSON, as written here, by DIAGen or by DALDA."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from counterfactory.errors import BadConfig, BadData, nearest, writing
from counterfactory.language.class_prompts.names import composed, matched, spoken
from counterfactory.types import Problem

COLUMNS = ("class", "prompt")
DIAGEN = ("class_name", "class_idx", "prompt")
PLACE = "{name}"  # where DIAGen's prompts have the class
SEPARATORS = ",;\t"
Prompts = Mapping[str, tuple[str, ...]]


def write_prompts(path: Path, prompts: Mapping[str, Sequence[str]]) -> None:
    """The prompts of each class as a `.csv` or `.json` file, which `read_prompts` reads back unchanged."""
    if path.suffix.lower() not in {".csv", ".json"}:
        raise BadConfig(f"Prompts are written as .csv or .json; {path.name} is neither.")
    text = _as_csv(prompts) if path.suffix.lower() == ".csv" else _as_json(prompts)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)


def read_prompts(path: Path) -> Prompts:
    """The prompts under each name that a file has, in its order."""
    try:
        text = composed(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadData(f"There is no file {path} with prompts.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read as text ({error}); save it as UTF-8.") from None
    pairs = _from_json(path, text) if text.lstrip()[:1] in {"{", "["} else _from_csv(path, text)
    prompts: dict[str, tuple[str, ...]] = {}
    for where, name, prompt in pairs:
        if not name or not prompt:
            missing = f"the prompt of {name!r}" if name else "the name of the class"
            raise BadData(f"{path.name}, {where}: {missing} is empty; write it, or take the entry out.")
        prompts[name] = (*prompts.get(name, ()), prompt)
    if not prompts:
        raise BadData(f"{path.name} holds no prompts; expected rows of class,prompt or {{class: [prompts]}}.")
    return prompts


def of_classes(prompts: Prompts, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The prompts of each class that has some; names are taken exactly, or else but for capitals where one is meant."""
    found: dict[str, tuple[str, ...]] = {}
    for name, meant in matched(prompts, classes).items():
        found[meant] = (*found.get(meant, ()), *prompts[name])
    return found


def problems(where: str, prompts: Prompts, classes: Sequence[str]) -> tuple[Problem, ...]:
    """Names in a file that are no class of the data, and classes for which it has nothing."""
    meant, found = matched(prompts, classes), of_classes(prompts, classes)
    strange = [name for name in prompts if name not in meant]
    told = [f"{name!r} is no class of the data, or may be several.{nearest(name, classes)}" for name in strange]
    told += [f"no prompts for the class {name!r}.{nearest(name, strange)}" for name in classes if name not in found]
    return tuple(Problem(where=where, what=what) for what in told)


def _as_csv(prompts: Mapping[str, Sequence[str]]) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((name, prompt) for name, texts in prompts.items() for prompt in texts)
    return stream.getvalue()


def _as_json(prompts: Mapping[str, Sequence[str]]) -> str:
    said = {name: list(texts) for name, texts in prompts.items()}
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Place, class and prompt of each row; DIAGen's rows have the class as `{name}` in the prompt."""
    first = text.lstrip("\r\n").splitlines()[:1]
    separator = next((sign for sign in SEPARATORS if sign in "".join(first)), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = tuple(cell.strip().lower() for cell in next((row for row in rows if row), ()))
        if header not in {COLUMNS, DIAGEN}:
            raise BadData(
                f"{path.name} begins with {separator.join(header)!r}; expected the columns {','.join(COLUMNS)}, "
                f"or {';'.join(DIAGEN)} as DIAGen writes them."
            )
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _from_row(path, header, row, separator, rows.line_num)
    except csv.Error as error:
        raise BadData(f"{path.name}, line {rows.line_num}: {error}; is a quotation mark left open?") from None


def _from_row(path: Path, header: Sequence[str], row: Sequence[str], separator: str, line: int) -> tuple[str, str, str]:
    if len(row) < len(header):
        raise BadData(f"{path.name}, line {line}: {len(row)} columns, expected {separator.join(header)}.")
    name, prompt = row[0].strip(), separator.join(row[len(header) - 1 :]).strip()  # a comma may stand unquoted in it
    return f"line {line}", name, prompt.replace(PLACE, spoken(name)) if header == DIAGEN else prompt


def _from_json(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Place, class and prompt; a class that is named twice has both lists."""
    try:
        said = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise BadData(f"{path.name} is no JSON: {error}.") from None
    if not all(isinstance(pair, tuple) for pair in said):
        raise BadData(f"{path.name} holds a list; expected {{class: [prompts]}}.")
    for name, texts in said:
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise BadData(f"{path.name}: under {name!r} there is no list of prompts; expected {{class: [prompts]}}.")
        yield from ((f"number {number} of {name!r}", name.strip(), one.strip()) for number, one in enumerate(texts, 1))

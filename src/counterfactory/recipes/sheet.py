"""A sheet for people: pictures in an order that tells nothing, questions about each, and a key kept from them."""

import base64
import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from counterfactory.errors import BadConfig, BadData, writing
from counterfactory.keys import key, seed_for
from counterfactory.pixels import Pixels, encode_png
from counterfactory.types import Address, Plain

QUESTIONS: Mapping[str, str] = {  # the column of its answers, and how it is put
    "shows_label": "Does the picture show {label}?",
    "edit_visible": "Is this visible: {edit}?",
    "plausible": "Is it plausible, as a photograph could be?",
}
HEAD = ("picture", "label", "edit", *QUESTIONS)
KEY_HEAD = ("picture", "image", "source", "kind", "label", "edit", "facts")
SMALLEST = 256  # pixels that a picture's longer side is shown with at least
HANDED_OUT, KEY = "to-hand-out", "key.csv"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture that people may be asked about, and what they are not told."""

    image: Address
    label: str  # in words, as in `a car`
    kind: str  # of the edit
    edit: str  # in words, as in `weather: snow`
    source: Address | None = None
    facts: Mapping[str, Plain] = field(default_factory=dict)  # what else is known of it


def write_sheet(folder: Path, shown: Sequence[Shown], pixels: Pixels, number: int = 200, seed: int = 0) -> Path:
    """Draws pictures, as many of each kind of edit, and writes the page and table to hand out, and the key beside.

    Returns the page. The same seed draws the same pictures, whatever order they come in.
    """
    if number < 1:
        raise BadConfig(f"A sheet of {number} pictures cannot be judged; give a number from 1.")
    if not shown:
        raise BadData("There is no picture that people could be asked about.")
    once = {_name(each, seed): each for each in shown}
    # Names follow from seed and contents alone, so that their order tells nothing.
    rows = dict(sorted((_name(each, seed), each) for each in _drawn(list(once.values()), number, seed)))
    page = folder / HANDED_OUT / "sheet.html"
    with writing(folder):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(rows, pixels), encoding="utf-8", newline="\n")
        _write(page.with_suffix(".csv"), HEAD, [[name, each.label, each.edit] for name, each in rows.items()])
        _write(folder / KEY, KEY_HEAD, [_identity(name, each) for name, each in rows.items()])
    return page


def _drawn(shown: Sequence[Shown], number: int, seed: int) -> list[Shown]:
    """Kinds take turns; within a kind the order follows from the seed and the pictures' contents."""
    kinds: defaultdict[str, list[Shown]] = defaultdict(list)
    for each in sorted(shown, key=lambda each: (seed_for("sheet", seed, each.image, each.edit), each.image.digest)):
        kinds[each.kind].append(each)
    longest = max(map(len, kinds.values()))
    turns = [kinds[kind][turn] for turn in range(longest) for kind in sorted(kinds) if turn < len(kinds[kind])]
    return turns[:number]


def _name(shown: Shown, seed: int) -> str:
    return key("sheet", seed, shown.image, shown.label, shown.edit)[:8]


def _identity(name: str, shown: Shown) -> list[str]:
    source = shown.source.digest if shown.source else ""
    facts = json.dumps(dict(shown.facts), ensure_ascii=False)
    return [name, shown.image.digest, source, shown.kind, shown.label, shown.edit, facts]


def _page(rows: Mapping[str, Shown], pixels: Pixels) -> str:
    environment = Environment(
        autoescape=True, loader=FunctionLoader(_file), undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("sheet.html.jinja").render(
        pictures=[_picture(name, each, pixels) for name, each in rows.items()], columns=list(QUESTIONS)
    )


def _file(name: str) -> str:
    return (files("counterfactory.recipes") / name).read_text(encoding="utf-8")


def _picture(name: str, shown: Shown, pixels: Pixels) -> dict[str, Any]:
    image = pixels.image(shown.image)
    larger = max(1, round(SMALLEST / max(image.size)))
    return {
        "name": name,
        "uri": "data:image/png;base64," + base64.b64encode(encode_png(image)).decode(),
        "width": image.width * larger,
        "height": image.height * larger,
        "questions": [asked.format(label=shown.label, edit=shown.edit) for asked in QUESTIONS.values()],
    }


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that spreadsheets open as what it is."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(head)
        out.writerows([*row, *[""] * (len(head) - len(row))] for row in rows)

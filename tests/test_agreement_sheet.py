"""Sheets for people: what they are shown, what they are not told, and what comes of their answers."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from counterfactory.cli import app
from counterfactory.errors import BadConfig, BadData
from counterfactory.pixels import Pixels
from counterfactory.recipes.agreement import agreement
from counterfactory.recipes.sheet import QUESTIONS, Shown, write_sheet
from counterfactory.types import Interval
from squares import drawn

KINDS = ("weather", "colour", "time of day")


def pictures(folder: Path, number: int = 30) -> list[Shown]:
    """Squares with edits: twice as many of the weather as of the two other kinds."""
    generator = np.random.default_rng(0)
    return [
        Shown(
            image=drawn(folder / f"{at}.png", at % 3, generator),
            label="a <red> square" if at == 0 else "a square",
            kind=KINDS[max(0, at % 4 - 1)],
            edit=f"{KINDS[max(0, at % 4 - 1)]}: another",
            facts={"model": "said blue"},
        )
        for at in range(number)
    ]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheet")
    write_sheet(folder, pictures(folder / "images"), Pixels(), number=12, seed=3)
    return folder


def filled(sheet: Path, path: Path, answers: dict[str, str], **changes: Any) -> Path:
    """The sheet with the same answers for each picture; `changes` are other ones, by the number of its row."""
    table = rows(sheet / "to-hand-out" / "sheet.csv")
    for at, row in enumerate(table):
        row.update(answers | changes.get(f"row_{at}", {}))
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(table[0]), delimiter=changes.get("delimiter", ","))
        out.writeheader()
        out.writerows(table)
    return path


YES = dict.fromkeys(QUESTIONS, "yes")


def test_a_sheet_has_a_page_a_table_and_a_key_apart(sheet: Path):
    page = (sheet / "to-hand-out" / "sheet.html").read_text()
    table, key = rows(sheet / "to-hand-out" / "sheet.csv"), rows(sheet / "key.csv")
    assert [row["picture"] for row in table] == [row["picture"] for row in key]
    assert sorted(path.name for path in (sheet / "to-hand-out").iterdir()) == ["sheet.csv", "sheet.html"]
    assert page.count("data:image/png;base64,") == 12
    assert all(page.count(f'id="{row["picture"]}"') == 1 for row in table)
    assert "Does the picture show a square?" in page
    assert "Is this visible: weather: another?" in page
    assert 'width="256"' in page
    assert all(row[question] == "" for row in table for question in QUESTIONS)


def test_raters_are_not_told_what_the_key_tells(sheet: Path):
    key = rows(sheet / "key.csv")
    told = "".join(path.read_text() for path in (sheet / "to-hand-out").iterdir())
    assert not [row for row in key if row["image"] in told]
    assert "said blue" not in told
    assert json.loads(key[0]["facts"]) == {"model": "said blue"}
    assert [row["kind"] for row in key] != sorted(row["kind"] for row in key)


def test_kinds_are_drawn_alike_and_the_seed_decides(tmp_path: Path):
    shown = pictures(tmp_path / "images")
    drawn_by = {}
    for name, order, seed in [("one", shown, 3), ("same", shown[::-1], 3), ("other", shown, 4)]:
        write_sheet(tmp_path / name, order, Pixels(), number=12, seed=seed)
        drawn_by[name] = (tmp_path / name / "key.csv").read_bytes()
    key = rows(tmp_path / "one" / "key.csv")
    assert {kind: sum(row["kind"] == kind for row in key) for kind in KINDS} == dict.fromkeys(KINDS, 4)
    assert drawn_by["one"] == drawn_by["same"] != drawn_by["other"]
    write_sheet(tmp_path / "all", [*shown, *shown], Pixels(), number=1000)
    assert len(rows(tmp_path / "all" / "key.csv")) == 30


def test_what_is_written_on_a_page_is_text(tmp_path: Path):
    page = write_sheet(tmp_path, pictures(tmp_path / "images", 1), Pixels())
    assert "a &lt;red&gt; square" in page.read_text()
    with pytest.raises(BadData, match="no picture"):
        write_sheet(tmp_path, [], Pixels())
    with pytest.raises(BadConfig, match="from 1"):
        write_sheet(tmp_path, pictures(tmp_path / "images", 1), Pixels(), number=0)


def test_answers_become_shares_with_intervals_and_alpha(sheet: Path, tmp_path: Path):
    one = filled(sheet, tmp_path / "one.csv", YES, row_0={"plausible": "no"}, row_1={"plausible": "N"})
    two = filled(sheet, tmp_path / "two.csv", YES, row_0={"plausible": "No"}, row_2={"plausible": ""}, delimiter=";")
    report = agreement([one, two], sheet / "key.csv")
    table = {row[:2]: row[2:] for row in report.tables[0].rows}
    pictures_seen, share, alpha = table["plausible", "all"]
    assert isinstance(share, Interval)
    assert (pictures_seen, share.n, share.mean) == (12, 12, pytest.approx(100 * 10.5 / 12))
    assert share.low is not None
    assert share.low < share.mean
    # eleven pictures have two ratings: no and no, no and yes, nine times yes and yes
    assert alpha == pytest.approx(1 - 21 * 2 / (2 * 3 * 19), abs=1e-3)
    assert table["shows_label", "all"][2] == ""
    assert {group for question, group in table if question == "plausible"} == {"all", *KINDS}
    assert (
        "plausible: yes for 88 % [60, 97] of 12 pictures; Krippendorff's alpha of 2 raters is 0.63" in report.summary[2]
    )
    assert "alpha cannot be told" in report.summary[0]


def test_one_rater_gives_shares_and_a_word_about_the_second(sheet: Path, tmp_path: Path):
    report = agreement([filled(sheet, tmp_path / "one.csv", YES)], sheet / "key.csv")
    assert report.summary[0] == "shows_label: yes for 100 % [76, 100] of 12 pictures."
    assert report.summary[-1].startswith("One rater alone cannot agree with anybody")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"row_3": {"edit_visible": "maybe"}}, r"line 5: 'maybe' under 'edit_visible'; expected yes, no or nothing"),
        ({"row_3": {"picture": "abc"}}, r"line 5: the key .* has no picture 'abc'"),
        ({f"row_{at}": dict.fromkeys(QUESTIONS, "") for at in range(12)}, "has no answers"),
    ],
)
def test_a_sheet_that_cannot_be_read_says_where(sheet: Path, tmp_path: Path, changes: dict[str, Any], complaint: str):
    path = filled(sheet, tmp_path / "one.csv", YES, **changes)
    with pytest.raises(BadData, match=complaint):
        agreement([path], sheet / "key.csv")


def test_empty_rows_at_the_end_are_no_answers(sheet: Path, tmp_path: Path):
    one = filled(sheet, tmp_path / "one.csv", YES)
    long = tmp_path / "long.csv"
    long.write_text(one.read_text() + ",,,,,\n\n")
    assert agreement([one], sheet / "key.csv").tables == agreement([long], sheet / "key.csv").tables


def test_other_bad_sheets_are_told(sheet: Path, tmp_path: Path):
    good, key = filled(sheet, tmp_path / "good.csv", YES), sheet / "key.csv"
    lines = good.read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, lines[1]]))
    (tmp_path / "short.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    for path, complaint in {
        "twice.csv": "stands there twice",
        "short.csv": "has no column 'plausible'; expected picture, shows_label",
        "empty.csv": "has no column 'picture'",
        "book.csv": "save it as CSV in UTF-8",
        "none.csv": "There is no sheet",
    }.items():
        with pytest.raises(BadData, match=complaint):
            agreement([tmp_path / path], key)
    with pytest.raises(BadData, match="given twice"):
        agreement([good, good], key)
    with pytest.raises(BadData, match=r"good\.csv has no column 'image'"):
        agreement([good], good)


def test_the_command_says_it_in_words_and_as_json(sheet: Path, tmp_path: Path):
    paths = [str(filled(sheet, tmp_path / f"{name}.csv", YES, row_0={"plausible": "no"})) for name in ("one", "two")]
    said = CliRunner().invoke(app, ["agreement", *paths, "--key", str(sheet / "key.csv")])
    assert said.exit_code == 0
    assert (
        "plausible: yes for 92 % [65, 99] of 12 pictures; Krippendorff's alpha of 2 raters is 1.00, reliable."
        in said.output
    )
    found = CliRunner().invoke(app, ["agreement", *paths, "--key", str(sheet / "key.csv"), "--json"])
    answers = json.loads(found.stdout.splitlines()[-1])["answers"]
    assert next(row for row in answers if row["question"] == "plausible")["yes, %"]["n"] == 12

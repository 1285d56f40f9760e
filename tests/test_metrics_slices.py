"""Slices of failures: what is counted, in which order, and in which words."""

import time
from typing import Any

import numpy as np
import pytest

from counterfactory.metrics.findings import findings, sentence, slice_table
from counterfactory.metrics.slices import Pair, Slice, Slices, slices
from counterfactory.metrics.statistics import share_interval


def pair(source: object, **changes: Any) -> Pair:
    said = {
        "label": "car", "kind": "weather", "value": "snow", "failed_before": False, "failed_after": False,
        "confidence_before": 0.9, "confidence_after": 0.5,
    }  # fmt: skip
    return Pair(source=str(source), **{**said, **changes})


def pairs(hits: int, n: int, **changes: Any) -> list[Pair]:
    """`n` cars of which the first `hits` fail as counterfactuals."""
    start = f"{sorted(changes.items())}"
    return [pair(f"{start} {number}", failed_after=number < hits, **changes) for number in range(n)]


def find(found: Slices, *names: str | None) -> Slice:
    every = [each for each in (*found.ranked, *found.small) if (each.label, each.kind, each.value) == names]
    assert len(every) == 1
    return every[0]


def test_every_cut_is_measured():
    found = slices([*pairs(8, 20), *pairs(0, 20, label="bus"), *pairs(1, 20, value="rain")])
    assert find(found, None, "weather", None).sources == 60
    assert find(found, None, "weather", "snow").after.mean == 8 / 40
    assert find(found, "bus", "weather", "snow").sources == 20
    assert find(found, "car", "weather", None).after.mean == 9 / 40
    assert find(found, "car", "weather", "rain").after == share_interval(1, 20)
    assert found.whole is not None
    assert found.whole.sources == 60


def test_slices_of_the_very_same_pairs_are_one():
    found = slices([*pairs(8, 20), *pairs(0, 20, label="bus"), *pairs(1, 20, value="rain")])
    names = {(each.label, each.kind, each.value) for each in found.ranked}
    assert names == {
        (None, "weather", None), (None, "weather", "snow"), ("car", "weather", None),
        ("car", "weather", "snow"), ("car", "weather", "rain"), ("bus", "weather", "snow"),
    }  # fmt: skip
    (alone,) = slices(pairs(8, 20)).ranked
    assert (alone.label, alone.kind, alone.value, alone.corrected) == ("car", "weather", "snow", alone.chance)


def test_a_slice_has_its_rates_difference_test_and_shift():
    made = [*pairs(9, 30), *pairs(1, 10, failed_before=True)]
    (found,) = slices(made).ranked[:1]
    assert found.before == share_interval(10, 40)
    assert found.after == share_interval(10, 40)
    assert found.difference.mean == 0
    assert found.chance == 1
    assert found.shift.mean == pytest.approx(-0.4)
    assert found.shift.low == pytest.approx(-0.4)


def test_pairs_that_do_not_count_are_counted_apart():
    made = [*pairs(5, 20), *pairs(30, 30, valid=False)]
    found = find(slices(made), "car", "weather", "snow")
    assert (found.drawn, found.valid, found.sources, found.after.mean) == (50, 20, 20, 0.25)
    nothing = slices(pairs(3, 30, valid=False))
    assert nothing == Slices(whole=None, ranked=(), small=(), fewest=20)
    assert "nothing can be said" in findings(nothing)[0]
    assert findings(slices([])) == findings(nothing)


def test_counterfactuals_of_one_source_are_one_observation():
    once = slices(pairs(10, 25)).ranked[0]
    five = slices([each for each in pairs(10, 25) for _ in range(5)]).ranked[0]
    assert (five.valid, five.sources) == (125, 25)
    assert five.after == once.after
    assert five.chance == once.chance
    assert five.difference == once.difference


def test_the_worst_comes_first_and_small_slices_are_apart():
    made = [*pairs(12, 30), *pairs(3, 30, value="rain"), *pairs(5, 5, value="fog")]
    found = slices(made)
    values = [each.value for each in found.ranked if each.value]
    assert values == ["snow", "rain"]
    assert {each.value for each in found.small} == {"fog"}
    assert all(each.corrected is None for each in found.small)
    lows = [each.difference.low for each in found.ranked if each.difference.low is not None]
    assert lows == sorted(lows, reverse=True)


def test_chances_are_corrected_for_all_slices_that_are_ranked():
    found = slices([*pairs(6, 30), *pairs(0, 30, label="bus", value="rain")])
    assert all(each.corrected is not None and each.corrected >= each.chance for each in found.ranked)
    smallest = min(found.ranked, key=lambda each: each.chance)
    assert smallest.corrected == pytest.approx(len(found.ranked) * smallest.chance)


def test_findings_are_plain_words():
    made = [*pairs(86, 210), *pairs(2, 210, label="bus")]
    found = slices(made)
    said = findings(found)
    snow = find(found, "car", "weather", "snow")
    assert sentence(snow, len(found.ranked)) == (
        "Fails on 41 % [35, 48] of images of car with weather changed to snow, 0 % as photographed (+41 [+34, +48] "
        "points, p < 0.001 after Holm's correction for 3 slices, 210 images)."
    )
    assert said[0].startswith("Fails on 21 % [17, 25] of changed images, 0 % as photographed")
    assert sentence(snow, 3) in said
    assert not any("bus" in each for each in said)
    assert len(findings(found, most=1)) == 3
    assert "more slices fail more often" in findings(found, most=1)[2]


def test_words_say_when_a_difference_may_be_chance():
    made = [*pairs(2, 30), *pairs(3, 3, value="fog")]
    whole, nothing, best, apart = findings(slices(made))
    assert whole.startswith("Fails on 15 %")
    assert (
        nothing == "No edit makes the model fail more often than chance may (2 slices of at least 20 images compared)."
    )
    assert best.endswith("; the difference may be chance.")
    assert apart == "One slice has fewer than 20 images and is not ranked."


def test_words_say_when_a_model_fails_less_often():
    made = [pair(number, failed_before=number < 20) for number in range(40)]
    found = slices(made).ranked[0]
    assert not found.is_found
    assert sentence(found, 5).endswith("; it fails less often than before.")


def test_a_table_has_a_row_for_each_slice_in_percent():
    found = slices(pairs(5, 20))
    table = slice_table("By edit", found.ranked)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["valid"], row["images"], row["fails after, %"].mean) == (20, 20, 25)
    assert (row["p"], row["corrected p"]) == (0.0625, 0.0625)
    assert "Holm" in table.note
    small = slice_table("Small", slices(pairs(1, 3)).small)
    assert small.rows[0][small.columns.index("corrected p")] == ""


def test_a_hundred_thousand_pairs_take_less_than_a_second():
    generator = np.random.default_rng(0)
    values = {"weather": ("snow", "rain", "fog"), "time of day": ("night", "dusk"), "colour": tuple("abcdefgh")}
    kinds = [list(values)[at] for at in generator.integers(0, 3, 100_000)]
    made = [
        Pair(
            source=f"s{number // 4}", label=f"class {number % 20}",
            kind=kind, value=values[kind][number % len(values[kind])],
            failed_before=number % 31 == 0, failed_after=number % 7 == 0, confidence_before=0.9, confidence_after=0.8,
        )
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    slices(made[:100])  # libraries are imported once
    start = time.process_time()
    found = slices(made)
    assert time.process_time() - start < 1
    assert len(found.ranked) > 150

"""Content addresses."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel

from counterfactory import keys
from counterfactory.keys import ASIDE
from counterfactory.names import ModelName
from counterfactory.types import Address, Dataset, Request, Sample
from steps_for_tests import Multiply


def test_a_key_is_the_same_in_another_process():
    code = "from counterfactory import keys, types; print(keys.key('a', types.Request(prompt='ü', seed=1)))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert keys.key("a", Request(prompt="ü", seed=1)) == other


def test_a_key_does_not_know_where_pixels_lie():
    here, there = Address("d", "file:/here.png"), Address("d", "file:/there.png")
    assert keys.key(Sample(image=here)) == keys.key(Sample(image=there))
    assert keys.key(Sample(image=here)) != keys.key(Sample(image=Address("e", "file:/here.png")))


def test_every_field_of_a_request_is_in_its_key():
    base = Request(prompt="a", seed=1)
    others = [
        Request(prompt="b", seed=1),
        Request(prompt="a", seed=2),
        Request(prompt="a", seed=1, guidance=1.0),
        Request(prompt="a", seed=1, source=Address("x")),
        Request(prompt="a", seed=1, mask=Address("x")),
        Request(prompt="a", seed=1, size=(64, 64)),
    ]
    assert len({keys.key(request) for request in [base, *others]}) == len(others) + 1


def test_the_order_of_a_mapping_does_not_matter():
    assert keys.key({"a": 1, "b": 2}) == keys.key({"b": 2, "a": 1})


def test_the_fields_and_the_version_of_a_step_are_in_its_key(monkeypatch):
    before = keys.key(Multiply(factor=2))
    assert keys.key(Multiply(factor=3)) != before
    monkeypatch.setattr(Multiply, "version", 2)
    assert keys.key(Multiply(factor=2)) != before


def test_a_dataset_is_known_by_its_samples_in_order():
    one, two = Sample(image=Address("1"), target=0), Sample(image=Address("2"), target=1)
    forward = Dataset(samples=(one, two), classes=("a", "b"))
    again = Dataset(samples=(one, two), classes=("a", "b"))
    backward = Dataset(samples=(two, one), classes=("a", "b"))
    assert keys.key(forward) == keys.key(again) != keys.key(backward)


def test_a_value_without_an_address_is_refused():
    with pytest.raises(TypeError, match="object has no content address"):
        keys.key(object())


def test_not_a_number_is_no_key():
    with pytest.raises(ValueError, match="JSON compliant"):
        keys.key(float("nan"))


def test_seeds_come_from_content_and_fit_31_bits():
    seeds = {keys.seed_for(0, "image", n) for n in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert keys.seed_for(0, "a") == keys.seed_for(0, "a") != keys.seed_for(1, "a")


def test_a_path_is_its_text():
    assert keys.key(Path("a/b")) == keys.key("a/b")


class Reached(BaseModel, frozen=True):
    name: str
    patience: Annotated[int, ASIDE] = 3


def test_a_field_that_says_how_a_result_is_come_by_is_in_no_key():
    assert keys.key(Reached(name="a", patience=9)) == keys.key(Reached(name="a")) != keys.key(Reached(name="b"))


class Company(BaseModel, frozen=True):
    models: Mapping[str, ModelName]


def test_models_that_have_names_of_their_own_in_a_step_are_known_by_what_they_hold(tmp_path: Path):
    for name in ("one", "same", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text("2" if name == "other" else "1")
    one, same, other = (keys.key(Company(models={"a": str(tmp_path / name)})) for name in ("one", "same", "other"))
    assert one == same != other
    assert keys.key(Company(models={"b": str(tmp_path / "one")})) != one


def test_what_lies_aside_is_left_out_at_any_depth():
    class Inner(BaseModel):
        what: str = "a"
        how: Annotated[int, keys.ASIDE] = 1

    class Outer(BaseModel):
        several: tuple[Inner, ...] = (Inner(), Inner(what="b"))
        named: dict[str, Inner] = {"x": Inner(how=5)}

    assert keys.without_asides(Outer()) == {"several": [{"what": "a"}, {"what": "b"}], "named": {"x": {"what": "a"}}}

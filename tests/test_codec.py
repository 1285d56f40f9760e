"""Values as text and back."""

import numpy as np
import pytest

from counterfactory import codec
from counterfactory.types import Address, Artifact, Failed, Interval, Origin, Report, Sample, Table

SAMPLE = Sample(
    image=Address("d", "file:/a b/ü.png"),
    target=(0, None, 1),
    mask=Address("m"),
    caption='a "red" bus',
    attributes={"weather": "rain", "n": 3},
    origin=Origin(parent="p", prompt="x", seed=3, model="m@1", changed={"weather": "rain"}),
)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        "text",
        {"a": (1, 2), "b": {"c": None}},
        {"$": "not a noun", "x": 1},
        {1: "one", (2, 3): "pair"},
        b"\x00\xff",
        SAMPLE,
        {"nested": (SAMPLE, Failed("k", "reason"))},
        Artifact(kind="classifier", key="ab", numbers={"accuracy": 0.5}),
        Report(title="t", tables=(Table(title="x", columns=("a",), rows=((Interval(mean=1.0),),)),)),
    ],
)
def test_a_value_comes_back_as_it_was(value):
    assert codec.decode(codec.encode(value)) == value


def test_lists_come_back_as_tuples():
    assert codec.decode(codec.encode([1, [2, 3]])) == (1, (2, 3))


def test_arrays_keep_their_type_and_shape():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    back = codec.decode(codec.encode({"p": array}))["p"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_the_place_of_pixels_is_kept():
    assert codec.decode(codec.encode(SAMPLE)).image.place == "file:/a b/ü.png"


def test_what_is_neither_noun_nor_plain_is_refused():
    with pytest.raises(TypeError, match="not object"):
        codec.encode(object())

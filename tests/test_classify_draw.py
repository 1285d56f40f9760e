"""Which images a step sees."""

import numpy as np
import pytest

from counterfactory.classify.draw import Draw, loss_weights, plan
from counterfactory.classify.targets import matched, targets_of
from counterfactory.errors import BadConfig, BadData
from counterfactory.types import Address, Dataset, Origin, Sample


def dataset(*targets: int, parents: dict[int, str] | None = None, weights: tuple[float, ...] | None = None) -> Dataset:
    """Images `0`, `1`, ... with these classes; `parents` says from which image one was made."""
    origins = {number: Origin(parent=parent) for number, parent in (parents or {}).items()}
    samples = tuple(
        Sample(image=Address(str(number)), target=target, origin=origins.get(number))
        for number, target in enumerate(targets)
    )
    return Dataset(samples=samples, classes=("a", "b"), weights=weights)


def drawing(data: Dataset, *, seed: int = 0, balanced: bool = False, probability: float | None = 0.5) -> Draw:
    return plan(data, targets_of(data), seed, balanced, probability)


def counts(draw: Draw, steps: int = 200, size: int = 10) -> dict[int, int]:
    drawn = np.concatenate([draw.rows(step, size) for step in range(steps)])
    return dict(zip(*map(np.ndarray.tolist, np.unique(drawn, return_counts=True)), strict=True))


def test_every_image_comes_once_a_pass():
    assert set(counts(drawing(dataset(0, 1, 0, 1, 0)), steps=4).values()) == {8}


def test_a_step_is_drawn_alike_whenever_it_is_asked_for():
    draw = drawing(dataset(0, 1, 0, 1, 0, 1, 1))
    later = draw.rows(7, 4)
    draw.rows(0, 4)
    assert draw.rows(7, 4).tolist() == later.tolist()
    assert [drawing(dataset(0, 1, 0, 1, 0, 1, 1), seed=1).rows(s, 4).tolist() for s in range(9)] != [
        draw.rows(s, 4).tolist() for s in range(9)
    ]


def test_an_image_of_weight_zero_never_comes():
    assert set(counts(drawing(dataset(0, 1, 0, weights=(1, 0, 0.5))))) == {0, 2}


def test_nothing_but_weights_of_zero_is_refused():
    with pytest.raises(BadData, match="weight 0"):
        drawing(dataset(0, 1, weights=(0, 0)))


def test_balanced_drawing_shows_classes_equally_often():
    found = counts(drawing(dataset(0, 0, 0, 1), balanced=True))
    assert found[3] == pytest.approx(1000, abs=120)


def test_balance_knows_no_several_labels():
    several = Dataset(samples=(Sample(image=Address("0"), target=(1, None)),), classes=("a", "b"), task="multi-label")
    with pytest.raises(BadConfig, match="balanced"):
        drawing(several, balanced=True)


def test_children_replace_their_source_with_the_probability_and_by_their_weights():
    data = dataset(0, 1, 0, 0, 1, parents={2: "0", 3: "0"}, weights=(1, 1, 3, 1, 1))
    found = counts(drawing(data, probability=0.6))
    family = found[0] + found[2] + found[3]
    assert found[0] / family == pytest.approx(0.4, abs=0.06)
    assert found[2] / (found[2] + found[3]) == pytest.approx(0.75, abs=0.06)
    assert family == pytest.approx(found[1], abs=1)


def test_a_child_of_weight_zero_leaves_its_source_alone():
    assert set(counts(drawing(dataset(0, 1, 0, parents={2: "0"}, weights=(1, 1, 0)), probability=1.0))) == {0, 1}


def test_children_of_children_belong_to_the_first_source():
    found = counts(drawing(dataset(0, 1, 0, 0, parents={2: "0", 3: "2"}), probability=1.0))
    assert 0 not in found
    assert found[2] + found[3] == found[1]


def test_without_a_probability_synthetic_images_stand_for_themselves():
    assert set(counts(drawing(dataset(0, 1, 0, 1, parents={2: "0"}), probability=None), steps=4).values()) == {10}


def test_a_synthetic_image_whose_source_is_elsewhere_is_a_source():
    assert set(counts(drawing(dataset(0, 1, parents={1: "gone"}), probability=1.0))) == {0, 1}


def test_a_childs_weight_says_how_often_it_comes_and_not_what_it_counts():
    data = dataset(0, 1, 0, parents={2: "0"}, weights=(0.5, 1, 0.2))
    counted = loss_weights(data, drawing(data))
    assert (counted / counted[1]).tolist() == [0.5, 1, 1]


def test_a_drawn_image_counts_one_on_average():
    data = dataset(0, 1, 0, 0, parents={2: "0", 3: "0"}, weights=(0.5, 0.25, 0.2, 0.7))
    for draw in (drawing(data, probability=0.3), drawing(data, probability=0.3, balanced=True)):
        rows = np.concatenate([draw.rows(step, 50) for step in range(400)])
        assert loss_weights(data, draw)[rows].mean() == pytest.approx(1, abs=0.02)


def test_a_weight_counts_though_its_image_stands_alone_in_a_batch():
    data = dataset(0, 1, weights=(0.2, 1))
    assert loss_weights(data, drawing(data)).tolist() == pytest.approx([1 / 3, 5 / 3])


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0), (1.0, float("nan"))])
def test_odd_weights_are_refused(weights: tuple[float, ...]):
    with pytest.raises(BadData, match="one weight an image"):
        drawing(dataset(0, 1, weights=weights))


def test_unknown_labels_are_not_numbers():
    several = Dataset(samples=(Sample(image=Address("0"), target=(1, None)),), classes=("a", "b"), task="multi-label")
    assert np.array_equal(targets_of(several), [[1, np.nan]], equal_nan=True)


def test_an_image_without_a_class_is_named():
    samples = (Sample(image=Address("0"), target=0), Sample(image=Address("1", "file:lost.png")))
    with pytest.raises(BadData, match=r"1 of 2 images .*lost\.png"):
        targets_of(Dataset(samples=samples, classes=("a", "b")))


def soft_labels(*rows: tuple[float, ...]) -> Dataset:
    return Dataset(
        samples=tuple(Sample(image=Address(str(number)), target=row) for number, row in enumerate(rows)),
        classes=("a", "b", "c"),
        task="soft-label",
    )


def test_one_class_an_image_is_kept_as_its_number():
    assert targets_of(dataset(0, 1, 1)).tolist() == [0, 1, 1]


def test_shares_that_were_rounded_add_up_to_one():
    found = targets_of(soft_labels((0.333, 0.333, 0.329), (0.2, 0.3, 0.5)))
    assert found.sum(1).tolist() == pytest.approx([1, 1])
    assert found[1].tolist() == pytest.approx([0.2, 0.3, 0.5])


@pytest.mark.parametrize("row", [(0.4, 0.4, 0.0), (0.5, 0.7, -0.2)])
def test_shares_that_are_no_distribution_are_refused(row: tuple[float, ...]):
    soft = soft_labels(row)
    with pytest.raises(BadData, match="soft-label"):
        targets_of(soft)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Dataset(samples=(), classes=("a", "b")), "no images"),
        (Dataset(samples=(Sample(image=Address("0"), target=0),), classes=("a",)), "at least two"),
        (Dataset(samples=(Sample(image=Address("0")),), classes=("a",), task="segmentation"), "pixel by pixel"),
    ],
)
def test_what_a_classifier_cannot_learn_from_is_said(data: Dataset, message: str):
    with pytest.raises(BadData, match=message):
        targets_of(data)


def test_classes_are_matched_by_name_in_any_order():
    assert matched(("cat", "Dog", "cow"), ("dog", "cow ", "cat")) == [1, 2, 0]


def test_other_classes_are_named_on_both_sides():
    with pytest.raises(BadData, match=r"2 classes \(cat, dog\).*2 classes \(cat, cow\)"):
        matched(("cat", "dog"), ("cat", "cow"))


def test_classes_that_differ_by_case_are_matched_exactly():
    assert matched(("Cat", "cat"), ("cat", "Cat")) == [1, 0]
    with pytest.raises(BadData, match="same classes"):
        matched(("Cat", "cat"), ("CAT", "cat"))


def test_synthetic_images_without_a_parent_here_come_in_place_of_any_real_one_of_their_class():
    data = dataset(0, 0, 1, 0, 0, 1, parents={3: "elsewhere", 4: "1", 5: "elsewhere"}, weights=(1, 1, 1, 1, 3, 1))
    draw = drawing(data)
    assert draw.sources.tolist() == [0, 1, 2]
    assert {source: rows.tolist() for source, (rows, _) in draw.children.items()} == {0: [3], 1: [4, 3], 2: [5]}
    assert draw.children[1][1].tolist() == [0.75, 0.25]
    assert loss_weights(data, draw).tolist() == [1.0] * 6
    found = counts(draw)
    assert found[3] == pytest.approx(2000 / 3 * (1 / 2 + 1 / 8), rel=0.15)
    assert found[5] == pytest.approx(2000 / 3 / 2, rel=0.15)


def test_synthetic_images_of_a_class_without_real_ones_stand_for_themselves():
    draw = drawing(dataset(0, 1, 1, parents={1: "elsewhere", 2: "elsewhere"}))
    assert draw.sources.tolist() == [0, 1, 2]
    assert not draw.children

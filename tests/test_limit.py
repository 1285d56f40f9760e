"""Quotas: exact, stratified, seeded, and no class eats another's."""

from collections import Counter
from dataclasses import replace

import pytest

from counterfactory.data.limit import Quota, within
from counterfactory.errors import BadConfig, UnknownName
from counterfactory.types import Address, Dataset, Sample

CLASSES = ("few", "some", "many")


def dataset(counts: tuple[int, ...] = (3, 25, 72), task: str = "single-label") -> Dataset:
    samples = tuple(
        Sample(image=Address(f"{number}-{turn}"), target=number if task == "single-label" else None)
        for number, count in enumerate(counts)
        for turn in range(count)
    )
    return Dataset(samples=samples, classes=CLASSES, split="test", task=task)  # type: ignore[arg-type]


def counts(found: Dataset) -> tuple[int, ...]:
    of = Counter(sample.target for sample in found.samples)
    return tuple(of[number] for number in range(len(CLASSES)))


def test_no_quota_takes_all():
    assert within(dataset(), Quota()).samples == dataset().samples


def test_a_class_of_exactly_the_quota_leaves_the_next_one_its_own():
    assert counts(within(dataset(), Quota(per_class=25))) == (3, 25, 25)


def test_a_share_is_taken_of_every_class_at_least_one():
    assert counts(within(dataset(), Quota(share=0.1))) == (1, 2, 7)


def test_a_total_is_exact_and_in_proportion_with_each_class_there():
    assert counts(within(dataset(), Quota(total=50))) in {(2, 12, 36), (2, 13, 35), (1, 13, 36)}
    assert counts(within(dataset(), Quota(total=3))) == (1, 1, 1)
    assert len(within(dataset(), Quota(total=99))) == 99


def test_bounds_hold_together():
    assert counts(within(dataset(), Quota(classes=("many", "some"), per_class=10, total=12))) == (0, 6, 6)


def test_a_larger_quota_takes_the_same_and_more():
    small, large = (set(within(dataset(), Quota(per_class=n)).samples) for n in (5, 9))
    assert small < large


def test_what_is_taken_follows_from_content_and_seed_and_not_from_the_order():
    data = dataset()
    turned = replace(data, samples=data.samples[::-1])
    quota = Quota(per_class=4)
    assert set(within(data, quota, 1).samples) == set(within(turned, quota, 1).samples)
    assert set(within(data, quota, 1).samples) != set(within(data, quota, 2).samples)
    positions = [data.samples.index(sample) for sample in within(data, quota).samples]
    assert positions == sorted(positions)


def test_weights_go_with_their_samples():
    data = replace(dataset(), weights=tuple(float(row) for row in range(100)))
    found = within(data, Quota(per_class=2))
    assert found.weights is not None
    assert [data.samples.index(sample) for sample in found.samples] == [int(weight) for weight in found.weights]


def test_a_class_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match="manny"):
        within(dataset(), Quota(classes=("manny",)))


def test_images_without_a_class_of_their_own_are_one_group():
    data = dataset(task="segmentation")
    assert len(within(data, Quota(per_class=7))) == 7
    with pytest.raises(BadConfig, match="leave `classes` out"):
        within(data, Quota(classes=("few",)))

"""Few-shot choice: decided by content and seed, never by order."""

import random
from dataclasses import replace

import pytest

from counterfactory.data.choose import hold_out, shots
from counterfactory.errors import BadData
from counterfactory.keys import dataset_key, digest
from counterfactory.types import Address, Dataset, Sample


def sample(number, target):
    return Sample(image=Address(digest(str(number).encode()), f"file:/{number}"), target=target)


def dataset(count=30, classes=3, **said):
    samples = tuple(sample(number, number % classes) for number in range(count))
    return Dataset(samples=samples, classes=tuple(f"c{n}" for n in range(classes)), **said)


def attributes(count=60):
    """Three attributes, each shown by a half, a third and a fifth of the samples; some values are missing."""
    targets = [(int(n % 2 == 0), int(n % 3 == 0), None if n % 7 == 0 else int(n % 5 == 0)) for n in range(count)]
    samples = tuple(sample(number, target) for number, target in enumerate(targets))
    return Dataset(samples=samples, classes=("a", "b", "c"), task="multi-label")


def shuffled(data, seed):
    order = list(range(len(data)))
    random.Random(seed).shuffle(order)
    weights = None if data.weights is None else tuple(data.weights[i] for i in order)
    return replace(data, samples=tuple(data.samples[i] for i in order), weights=weights)


@pytest.mark.parametrize("data", [dataset(), attributes(), dataset(weights=tuple(n % 4 / 2 for n in range(30)))])
def test_the_order_of_the_listing_changes_nothing(data):
    chosen = shots(data, 3, seed=1)
    held = hold_out(data, 2, seed=1, without=chosen)
    for seed in range(10):
        other = shuffled(data, seed)
        again = shots(other, 3, seed=1)
        assert dataset_key(again) == dataset_key(chosen)
        assert dataset_key(hold_out(other, 2, seed=1, without=again)) == dataset_key(held)


@pytest.mark.parametrize("data", [dataset(), attributes()])
def test_fewer_shots_are_among_more_and_seeds_differ(data):
    two, four = (set(shots(data, count, seed=0).samples) for count in (2, 4))
    assert two < four
    assert len({frozenset(shots(data, 2, seed=seed).samples) for seed in range(5)}) > 1


def test_every_class_has_just_so_many():
    chosen = shots(dataset(), 4, seed=0)
    assert [sample.target for sample in chosen.samples] == [0] * 4 + [1] * 4 + [2] * 4
    assert chosen.weights is None


def test_an_image_that_is_there_twice_counts_once():
    data = dataset(6)
    doubled = replace(data, samples=data.samples * 3)
    assert set(shots(doubled, 2, seed=0).samples) == set(data.samples)
    with pytest.raises(BadData, match="c0 has 2, c1 has 2, c2 has 2"):
        shots(doubled, 3, seed=0)


def test_of_two_samples_of_one_image_the_same_is_taken_whatever_their_order():
    data = dataset(6)
    twin = replace(data.samples[0], caption="another")
    for samples in ((twin, *data.samples), (*data.samples, twin)):
        chosen = shots(replace(data, samples=samples), 2, seed=0)
        assert len(chosen) == 6
        assert dataset_key(chosen) == dataset_key(shots(replace(data, samples=(twin, *data.samples)), 2, seed=0))


def test_rejected_samples_are_not_taken_and_weights_stay():
    data = dataset(9, weights=(0, 0.5, 1) * 3)
    with pytest.raises(BadData, match=r"c0 has 0\. Give more images"):
        shots(data, 1, seed=0)
    kept = replace(data, samples=data.samples, weights=(0.25, 0.5, 1) * 3)
    assert shots(kept, 1, seed=0).weights == (0.25, 0.5, 1)


def test_too_few_images_are_said_with_the_class_its_count_and_the_remedy():
    data = dataset(8)
    with pytest.raises(BadData, match=r"'train' for 3 shots.*c2 has 2\. Give --shots 2 or less"):
        shots(data, 3, seed=0)


def test_each_attribute_is_shown_often_enough_by_few_samples():
    chosen = shots(attributes(), 3, seed=0)
    for index in range(3):
        assert sum(sample.target[index] == 1 for sample in chosen.samples) >= 3
    assert len(chosen) <= 9


def test_soft_labels_count_for_their_likeliest_class_and_masks_for_the_whole():
    soft = tuple(sample(n, (0.9, 0.1) if n % 2 else (0.3, 0.7)) for n in range(8))
    chosen = shots(Dataset(samples=soft, classes=("a", "b"), task="soft-label"), 2, seed=0)
    assert [s.target for s in chosen.samples] == [(0.9, 0.1)] * 2 + [(0.3, 0.7)] * 2
    whole = Dataset(samples=tuple(sample(n, None) for n in range(8)), classes=("sky", "road"), task="segmentation")
    assert len(shots(whole, 5, seed=0)) == 5


def test_what_is_held_out_was_not_chosen_and_leaves_half():
    data = dataset()
    chosen = shots(data, 4, seed=0)
    held = hold_out(data, 100, seed=0, without=chosen)
    assert held.split == "validation"
    assert not set(held.samples) & set(chosen.samples)
    assert [sample.target for sample in held.samples] == [0] * 3 + [1] * 3 + [2] * 3
    assert len(hold_out(data, 2, seed=0, without=chosen)) == 6
    assert len(hold_out(data, 2, seed=0, without=data)) == 0


def test_of_no_attribute_more_than_half_of_what_remains_is_held_out():
    data = attributes()
    held = hold_out(data, 100, seed=0, without=replace(data, samples=()))
    for index in range(3):
        shown = sum(sample.target[index] == 1 for sample in data.samples)
        assert 0 < sum(sample.target[index] == 1 for sample in held.samples) <= shown // 2

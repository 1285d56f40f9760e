"""Few-shot choice: decided by content and seed, never by order."""

import random
from dataclasses import replace

import pytest

from counterfactory.data.choose import hold_out, shots, unrelated
from counterfactory.errors import BadData
from counterfactory.keys import dataset_key, digest
from counterfactory.recipes.trials import few_shot
from counterfactory.types import Address, Collection, Dataset, Origin, Sample


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


def mixture(real=40, made=120, classes=2):
    """Photographs, pictures made from them, and pictures made from those in turn."""
    photographs = [sample(number, number % classes) for number in range(real)]
    samples = list(photographs)
    for number in range(made):
        parent = samples[number % (2 * real)]
        samples.append(replace(sample(f"made {number}", parent.target), origin=Origin(parent=parent.image.digest)))
    return Dataset(samples=tuple(samples), classes=tuple(f"c{n}" for n in range(classes)))


def families(samples, data):
    """The digest of the photograph that each sample goes back to."""
    parents = {s.image.digest: s.origin.parent for s in data.samples if s.origin}
    found = [s.image.digest for s in samples]
    while any(one in parents for one in found):
        found = [parents.get(one, one) for one in found]
    return found


@pytest.mark.parametrize("per_class", [4, None])
def test_validation_is_real_and_what_was_made_from_a_photograph_goes_where_it_goes(per_class):
    data = shuffled(mixture(), seed=3)
    for seed in range(5):
        chosen = few_shot(Collection(name="x", kind="x", splits={"train": data}), per_class, seed)
        train, held = chosen["train"].samples, chosen["validation"].samples
        real = {s.image.digest for s in train if s.origin is None}
        assert held
        assert all(s.origin is None for s in held)
        assert len(real) == (8 if per_class else 40 - len(held))
        assert not set(families(train, data)) & set(families(held, data))
        carried = [s for s, family in zip(data.samples, families(data.samples, data), strict=True) if family in real]
        assert set(train) == set(carried)
        assert len(train) == 4 * len(real)


def test_descendants_are_carried_in_an_order_of_their_own_and_rejected_ones_are_not():
    data = mixture()
    assert dataset_key(shots(shuffled(data, 1), 4, seed=0)) == dataset_key(shots(data, 4, seed=0))
    weighted = replace(data, weights=tuple(0.0 if s.origin else 1.0 for s in data.samples))
    assert len(shots(weighted, 4, seed=0)) == 8


def test_images_made_from_others_do_not_count_as_shots():
    with pytest.raises(BadData, match="c0 has 20, c1 has 20, not counting those made from others"):
        shots(mixture(), 21, seed=0)


def test_where_all_are_made_all_count_and_siblings_stay_together():
    parents = [digest(str(number).encode()) for number in range(20)]
    samples = (replace(sample(f"made {n}", n % 2), origin=Origin(parent=parents[n // 4])) for n in range(80))
    data = Dataset(samples=tuple(samples), classes=("c0", "c1"))
    held = hold_out(data, 3, seed=0, without=replace(data, samples=()))
    train = unrelated(data, held)
    assert len(held) == 6
    assert len(train) > 0
    assert not set(families(train.samples, data)) & set(families(held.samples, data))


def test_images_that_are_said_to_be_made_from_each_other_end():
    one, other = sample(0, 0), sample(1, 1)
    samples = tuple(
        replace(made, origin=Origin(parent=parent.image.digest)) for made, parent in ((one, other), (other, one))
    )
    data = Dataset(samples=samples, classes=("a", "b"))
    assert len(shots(data, 1, seed=0)) == 2
    assert len(unrelated(data, replace(data, samples=samples[:1]))) == 0

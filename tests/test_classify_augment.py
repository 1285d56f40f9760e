"""Classic augmentation, and what mixing does to targets."""

import numpy as np
import pytest
import torch

from counterfactory.classify import operations
from counterfactory.classify.augment import augment, mix
from counterfactory.classify.train import Augmentation

NAMES: tuple[Augmentation, ...] = ("none", "standard", "randaugment", "trivialaugment", "cutmix", "mixup")


def batch(count: int = 8, size: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_colours_stay_colours_and_images_keep_their_size(name: Augmentation):
    x = batch()
    for seed in range(10):
        changed = augment(name, x, np.random.default_rng(seed))
        assert changed.shape == x.shape
        assert changed.dtype == x.dtype
        assert changed.min() >= 0
        assert changed.max() <= 1


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_same_draw_gives_the_same_images_and_another_draw_others(name: Augmentation):
    x, state = batch(), torch.get_rng_state()
    first, again, other = (augment(name, x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(x, batch()), "what was given is changed"
    assert torch.equal(state, torch.get_rng_state()), "torch's own generator was used"


def test_none_changes_nothing():
    assert torch.equal(augment("none", batch(), np.random.default_rng(0)), batch())


def test_images_of_one_batch_are_changed_each_for_itself():
    same = batch(1).repeat(8, 1, 1, 1)
    assert len({tuple(image.flatten().tolist()) for image in augment("standard", same, np.random.default_rng(0))}) == 8


@pytest.mark.parametrize("name", ["cutmix", "mixup"])
def test_mixed_targets_say_what_is_in_the_image(name: Augmentation):
    """An image of one value per class: its mean value is then its share of that class."""
    x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, 32, 32).clone()
    targets = torch.eye(2)
    mixed_once = False
    for seed in range(20):
        mixed, shares = mix(name, x, targets, np.random.default_rng(seed))
        assert torch.allclose(shares.sum(1), torch.ones(2))
        assert torch.allclose(mixed.mean((1, 2, 3)), shares[:, 1], atol=1e-5)
        mixed_once |= bool(((shares > 0.01) & (shares < 0.99)).any())
    assert mixed_once


def test_half_of_the_batches_are_not_mixed():
    x, targets = batch(), torch.eye(8)
    plain = [torch.equal(mix("mixup", x, targets, np.random.default_rng(seed))[1], targets) for seed in range(100)]
    assert 30 < sum(plain) < 70


def test_mixing_leaves_a_label_unknown_that_one_of_the_two_does_not_know():
    targets = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    mixed = [mix("mixup", batch(2), targets, np.random.default_rng(seed))[1] for seed in range(20)]
    assert any(labels[:, 1].isnan().all() for labels in mixed)
    assert not any(labels[:, 0].isnan().any() for labels in mixed)


@pytest.mark.parametrize("name", [n for n in operations.OPERATIONS if n not in {"autocontrast", "equalize"}])
def test_an_operation_of_no_strength_changes_next_to_nothing(name: str):
    chosen = np.full(4, operations.OPERATIONS.index(name))
    x = operations.operated(batch(4), chosen, np.zeros(4), operations.TRIVIALAUGMENT)
    assert torch.allclose(x, batch(4), atol=1 / 255)


@pytest.mark.parametrize("name", operations.OPERATIONS[1:])
def test_an_operation_of_full_strength_changes_every_image(name: str):
    chosen = np.full(4, operations.OPERATIONS.index(name))
    x = operations.operated(batch(4) * 0.5 + 0.2, chosen, np.ones(4), operations.TRIVIALAUGMENT)
    assert all(not torch.allclose(one, other, atol=0.02) for one, other in zip(x, batch(4) * 0.5 + 0.2, strict=True))


def test_a_shift_moves_by_its_share_of_half_the_side():
    x = torch.zeros(1, 3, 8, 8)
    x[..., 6] = 1
    chosen = np.array([operations.OPERATIONS.index("shift x")])
    moved = operations.operated(x, chosen, np.array([0.5]), operations.TRIVIALAUGMENT)
    assert moved[0, 0, 0, 4].item() == pytest.approx(1)

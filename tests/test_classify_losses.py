"""Losses and the temperature."""

import math

import pytest
import torch

from counterfactory.classify import losses


def test_cross_entropy_of_knowing_nothing_is_the_logarithm_of_the_classes():
    assert losses.losses(torch.zeros(2, 4), torch.eye(4)[:2], "single-label").tolist() == pytest.approx(
        [math.log(4)] * 2
    )


def test_a_distribution_is_met_best_by_itself():
    target = torch.tensor([[0.7, 0.2, 0.1]])
    right = losses.losses(target.log(), target, "soft-label")
    assert right.item() == pytest.approx(-(target * target.log()).sum().item())
    assert losses.losses(torch.zeros(1, 3), target, "soft-label") > right


def test_unknown_labels_cost_nothing_and_pull_nowhere():
    logits = torch.zeros(2, 3, requires_grad=True)
    each = losses.losses(logits, torch.tensor([[1, torch.nan, torch.nan], [torch.nan] * 3]), "multi-label")
    assert each.tolist() == pytest.approx([math.log(2), 0])
    each.sum().backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[-0.5, 0, 0], [0, 0, 0]]


def test_smoothing_moves_towards_not_knowing():
    assert losses.smoothed(torch.tensor([[1.0, 0.0]]), 0.1, "single-label").tolist()[0] == pytest.approx([0.95, 0.05])
    several = losses.smoothed(torch.tensor([[1.0, 0.0, torch.nan]]), 0.1, "multi-label")[0]
    assert several[:2].tolist() == pytest.approx([0.95, 0.05])
    assert several[2].isnan()


def test_accuracy_counts_known_labels_only():
    logits = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    assert losses.accuracy(logits, torch.tensor([[1, torch.nan], [0, 1]]), "multi-label") == pytest.approx(2 / 3)
    assert losses.accuracy(logits, torch.tensor([[1.0, 0], [0, 1]]), "single-label") == 0.5


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
@pytest.mark.parametrize("wanted", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_scaling_of_the_logits(task: str, wanted: float):
    logits = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    targets = logits.softmax(1) if task == "single-label" else logits.sigmoid()
    assert losses.temperature(logits * wanted, targets, task) == pytest.approx(wanted, rel=1e-3)  # type: ignore[arg-type]


def test_three_right_answers_of_three_do_not_make_certain():
    found = losses.temperature(torch.eye(3) * 5, torch.eye(3), "single-label")
    assert (torch.eye(3) * 5 / found).softmax(1).amax(1).tolist() == pytest.approx([4 / 5] * 3, abs=5e-3)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
@pytest.mark.parametrize("sure", [1e-3, 1.0, 30.0])
def test_who_was_never_wrong_is_as_sure_as_the_number_of_answers_allows(task: str, sure: float):
    targets = torch.eye(2).repeat(20, 1)
    logits = (targets - 0.5) * torch.linspace(1, 2, 40)[:, None] * sure
    found = logits / losses.temperature(logits, targets, task)  # type: ignore[arg-type]
    sureness = found.softmax(1).amax(1) if task == "single-label" else found.abs().sigmoid()
    expected = 41 / 42 if sure > 1e-3 else sureness.mean().item()  # what is hardly seen is not made certain
    assert sureness.mean().item() == pytest.approx(expected, abs=2e-3)
    assert sureness.mean().item() <= 41 / 42

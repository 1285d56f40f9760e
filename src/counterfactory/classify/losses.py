"""How wrong logits are: against distributions, or label by label where several may hold and some are unknown."""

import math
from bisect import bisect_left

import torch
from torch import Tensor
from torch.nn import functional

from counterfactory.types import Task

WIDEST = 3.0  # the largest logarithm of a temperature


def smoothed(targets_BC: Tensor, amount: float, task: Task) -> Tensor:
    """Targets moved towards not knowing: all classes alike, or one half for each label."""
    ignorance = 0.5 if task == "multi-label" else 1 / targets_BC.shape[1]
    return targets_BC * (1 - amount) + amount * ignorance


def losses(logits_BC: Tensor, targets_BC: Tensor, task: Task) -> Tensor:
    """One loss an image (B,): cross entropy, or the mean binary one over the labels that are known."""
    if task != "multi-label":
        return -(targets_BC * logits_BC.log_softmax(1)).sum(1)
    known = ~targets_BC.isnan()
    entropy = functional.binary_cross_entropy_with_logits(logits_BC, targets_BC.nan_to_num(), reduction="none")
    return (entropy * known).sum(1) / known.sum(1).clamp_min(1)


def accuracy(logits_BC: Tensor, targets_BC: Tensor, task: Task) -> float:
    """The share of right classes, or of right labels among the known ones."""
    if task != "multi-label":
        return (logits_BC.argmax(1) == targets_BC.argmax(1)).float().mean().item()
    known = ~targets_BC.isnan()
    right = ((logits_BC >= 0) == (targets_BC >= 0.5)) & known
    return (right.sum() / known.sum().clamp_min(1)).item()


def temperature(logits_NC: Tensor, targets_NC: Tensor, task: Task) -> float:
    """The number that logits are divided by for the least loss (Guo et al. 2017), found by LBFGS on its logarithm.

    Where no answer is wrong the loss falls without end as the number does: then it is the least at which the mean
    confidence is what the rule of succession gives N right answers of N, (N + 1) / (N + 2).
    """
    logits_NC, targets_NC = logits_NC.double(), targets_NC.double()
    logarithm = torch.zeros((), dtype=torch.float64, device=logits_NC.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = losses(logits_NC / logarithm.exp(), targets_NC, task).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = float(logarithm.detach().clamp(-WIDEST, WIDEST))
    if accuracy(logits_NC, targets_NC, task) == 1:
        found = max(found, _least(logits_NC, int((~targets_NC.isnan()).any(1).sum()), task))
    return math.exp(found)


def _least(logits_NC: Tensor, right: int, task: Task) -> float:
    """The logarithm of the least temperature at which the mean confidence is not above the rule of succession's."""

    def is_modest(hundredths: int) -> bool:
        scaled = logits_NC / math.exp(hundredths / 100)
        sure = scaled.softmax(1).amax(1) if task != "multi-label" else scaled.abs().sigmoid().mean(1)
        return sure.mean().item() <= (right + 1) / (right + 2)

    widest = round(100 * WIDEST)
    return bisect_left(range(-widest, widest), True, key=is_modest) / 100 - WIDEST

"""The training loop: exact resume, budgets, averaging."""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from counterfactory.errors import BadConfig
from counterfactory.training.checkpoint import Progress
from counterfactory.training.clock import Clock
from counterfactory.training.fitting import STRETCH, Lesson, Site, rows_at, train
from counterfactory.training.schedule import Schedule
from counterfactory.training.team import Team, together

COURSE = Schedule(images=8 * STRETCH * 5, batch_size=8, learning_rate=0.05, rise=5)


class Killed(Exception):
    """Stands for a signal that ends the process between two instructions."""


def lesson(dies_at: int | None = None, scale: float = 1.0) -> Lesson:
    """A regression with noise from the loop's own generator; it dies at a call when told to."""
    torch.manual_seed(0)
    calls = iter(range(10**9))
    x, y = torch.randn(50, 4), torch.randn(50, 1)

    def loss(module: nn.Module, rows: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        if next(calls) == dies_at:
            raise Killed
        noise = torch.randn(len(rows), 4, generator=generator)
        return scale * (module(x[rows] + 0.1 * noise) - y[rows]).pow(2).mean()

    # channels-last convolutions are where a fused optimizer's state must lie in memory as its weights do
    folded = nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.Conv2d(4, 6, 3, padding=1), nn.Flatten(), nn.Linear(6, 1))
    return Lesson(module=folded.to(memory_format=torch.channels_last), length=50, loss=loss)


def weights(module: nn.Module) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())


@pytest.mark.parametrize("dies_at", [3, STRETCH, 2 * STRETCH + 7, 5 * STRETCH - 1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_killed_training_ends_byte_equal_to_one_that_was_not(tmp_path: Path, dies_at: int, dtype: str):
    site = partial(Site, dtype=dtype, save_seconds=0)
    whole, _ = train(lesson(), COURSE, site(folder=tmp_path / "whole"))
    with pytest.raises(Killed):
        train(lesson(dies_at), COURSE, site(folder=tmp_path / "killed"))
    again, progress = train(lesson(), COURSE, site(folder=tmp_path / "killed"))
    assert weights(again) == weights(whole)
    assert progress.images == COURSE.images
    logs = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "killed")
    ]
    assert logs[0] == logs[1]
    assert [line["step"] for line in logs[0]] == [STRETCH * n for n in range(1, 6)]


def test_a_finished_training_is_not_trained_again(tmp_path: Path):
    first, _ = train(lesson(), COURSE, Site(folder=tmp_path))
    second, _ = train(lesson(dies_at=0), COURSE, Site(folder=tmp_path))
    assert weights(first) == weights(second)


def test_a_larger_budget_goes_on_from_a_smaller_one(tmp_path: Path):
    train(lesson(), COURSE, Site(folder=tmp_path))
    more = Schedule(**{**COURSE.model_dump(), "images": COURSE.images * 2})
    _, progress = train(lesson(), more, Site(folder=tmp_path))
    assert progress.step == 10 * STRETCH
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 10


def test_a_budget_of_time_ends(tmp_path: Path):
    course = Schedule(seconds=0.2, batch_size=8)
    _, progress = train(lesson(), course, Site(folder=tmp_path))
    assert progress.seconds >= 0.2
    assert progress.step % STRETCH == 0


def test_a_suspended_process_did_not_train_meanwhile():
    times = iter([0.0, 2.0, 4.0, 1004.0, 1007.0])
    clock = Clock(100.0, "cuda", now=lambda: next(times))
    assert [clock.lap() for _ in range(4)] == [102.0, 104.0, 124.0, 127.0]


def test_a_processor_counts_its_own_work_and_not_its_neighbours():
    clock = Clock(0.0, "cpu")
    time.sleep(0.2)
    assert clock.lap() < 0.1


def test_only_the_last_checkpoint_stays(tmp_path: Path):
    shown: list[Progress] = []
    watched = Lesson(**{**vars(lesson()), "show": lambda average, progress: shown.append(progress)})
    train(watched, COURSE, Site(folder=tmp_path, save_seconds=0))
    assert [progress.step for progress in shown] == [STRETCH * n for n in range(1, 5)]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"checkpoint-{5 * STRETCH:09d}-0.safetensors", "checkpoint.json", "log.jsonl"]


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path):
    with pytest.raises(BadConfig, match="smaller learning_rate"):
        train(lesson(scale=float("nan")), COURSE, Site(folder=tmp_path))


def test_each_pass_sees_every_row_once():
    seen = np.concatenate([rows_at(start, 7, 10, seed=3) for start in range(0, 70, 7)])
    assert all(sorted(seen[turn : turn + 10]) == list(range(10)) for turn in range(0, 70, 10))
    assert list(seen[:10]) != list(seen[10:20])


def test_the_rate_rises_stays_and_falls():
    course = Schedule(images=1, learning_rate=1.0, rise=10)
    assert course.rate(4, 0.0) == pytest.approx(0.5)
    assert course.rate(1000, 0.6) == pytest.approx(1.0)
    assert course.rate(1000, 0.8) == pytest.approx(0.05 + 0.95 / 2)
    assert course.rate(1000, 1.0) == pytest.approx(0.05)


def test_a_schedule_has_one_budget():
    with pytest.raises(ValueError, match="either images or seconds"):
        Schedule()
    with pytest.raises(ValueError, match="either images or seconds"):
        Schedule(images=1, seconds=1)


def trained_together(team: Team, folder: Path, dies_at: int | None) -> tuple[bytes, int]:
    """What one of two processes does; only the leader dies when told to."""
    task = lesson(dies_at if team.leads else None)
    module, progress = train(task, COURSE, Site(folder=folder, save_seconds=0, team=team))
    return weights(module), progress.images


def test_two_processes_learn_together_and_resume_exactly(tmp_path: Path):
    whole = together(partial(trained_together, folder=tmp_path / "whole", dies_at=None), 2)
    with pytest.raises(Killed):
        together(partial(trained_together, folder=tmp_path / "killed", dies_at=STRETCH + 5), 2)
    again = together(partial(trained_together, folder=tmp_path / "killed", dies_at=None), 2)
    assert again == whole
    more = Schedule(**{**COURSE.model_dump(), "images": COURSE.images * 2})
    _, progress = train(lesson(), more, Site(folder=tmp_path / "whole"))  # a team may shrink between two sittings
    assert progress.images >= more.images

"""The one loop in which every generative model learns. Knows neither what the model is nor what it learns from.

All that is random follows from the seed and the number of images seen, so that a training which is killed and called
again ends, byte for byte on a processor, like one that was not. Processes work apart for a stretch of steps and then
go on with the mean of their weights ("local SGD", Stich 2019).
"""

import copy
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.training.checkpoint import Progress, State, keep, resume
from counterfactory.training.clock import Clock
from counterfactory.training.schedule import Schedule
from counterfactory.training.team import Team
from counterfactory.worker import DType, Tell, Worker

STRETCH = 16  # steps between two meetings of the processes, two lines of the log, two looks at the clock
SAVE_SECONDS = 240.0
Rows = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What is learnt: the loss of some rows of the data, with its randomness given, and what to do on the way."""

    module: nn.Module
    length: int  # rows of the data
    loss: Callable[[nn.Module, Rows, torch.Generator], Tensor]
    show: Callable[[nn.Module, Progress], Mapping[str, Any]] = lambda _average, _progress: {}  # at each checkpoint
    passed: Callable[[nn.Module, int], None] = lambda _average, _passes: None  # after each pass over the data
    longest: float = 1.0  # gradients are shortened to this length, all parameters taken together


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a training runs and what it leaves behind."""

    folder: Path
    device: str = "cpu"
    dtype: DType = "float32"
    save_seconds: float = SAVE_SECONDS
    team: Team = field(default_factory=Team)
    tell: Tell = lambda _done, _total: None  # how much of the budget is spent


def learn(lesson: Lesson, schedule: Schedule, worker: Worker, folder: Path, team: Team) -> dict[str, Any]:
    """Trains, with its state below the model's folder; what was shown at the end, and what it took."""
    site = Site(folder=folder / "training", device=worker.device, dtype=worker.dtype, team=team, tell=worker.tell)
    average, progress = train(lesson, schedule, site)
    if not team.leads:
        return {}
    size = sum(parameter.numel() for parameter in average.parameters())
    return {"seconds": progress.seconds, "parameters": size, **lesson.show(average, progress)}


def train(lesson: Lesson, schedule: Schedule, site: Site) -> tuple[nn.Module, Progress]:
    """The average of the weights over the last steps, from where a killed call came to."""
    site.folder.mkdir(parents=True, exist_ok=True)
    schedule = schedule.over(lesson.length)
    state = _state(lesson.module.to(site.device), schedule)
    progress = kept = resume(state, site.folder, site.team, site.device)
    _shorten_log(site, progress)
    clock = Clock(progress.seconds, site.device)
    while schedule.done(progress.images, progress.seconds) < 1:
        loss, rate = _stretch(lesson, schedule, site, state, progress)
        progress = Progress(
            step=progress.step + STRETCH,
            images=progress.images + STRETCH * schedule.batch_size * site.team.size,
            seconds=site.team.agree(clock.lap()),
        )
        _log(site, progress, loss, rate)
        _tell(site, schedule, progress)
        is_done = schedule.done(progress.images, progress.seconds) >= 1
        if is_done or progress.seconds - kept.seconds >= site.save_seconds:
            keep(state, progress, site.folder, site.team)
            kept = progress
            if site.team.leads and not is_done:
                lesson.show(state.average, progress)
    return state.average, progress


def _state(module: nn.Module, schedule: Schedule) -> State:
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        learning, betas=(0.9, schedule.second_beta), weight_decay=schedule.weight_decay, fused=True
    )
    return State(module=module.train(), average=copy.deepcopy(module).eval(), optimizer=optimizer)


def _stretch(lesson: Lesson, schedule: Schedule, site: Site, state: State, progress: Progress) -> tuple[float, float]:
    """Some steps alone, then the mean of all processes; the mean loss and the last learning rate."""
    done = schedule.done(progress.images, progress.seconds)
    losses, rate = [], 0.0
    for _ in range(STRETCH):
        rate = schedule.rate(progress.step, done)
        losses.append(_step(lesson, schedule, site, state, progress.images, rate))
        if site.team.leads:
            _follow(state, schedule.average(progress.step))
        before, images = progress.images, progress.images + schedule.batch_size * site.team.size
        progress = replace(progress, step=progress.step + 1, images=images)
        if site.team.leads and images // lesson.length > before // lesson.length:
            lesson.passed(state.average, images // lesson.length)
    site.team.average(state.module.parameters())
    mean = torch.stack(losses).mean()
    site.team.average([mean])
    if not math.isfinite(mean.item()):
        raise BadConfig(f"The loss is {mean.item()} after {progress.step} steps; give a smaller learning_rate.")
    return mean.item(), rate


def _step(lesson: Lesson, schedule: Schedule, site: Site, state: State, images: int, rate: float) -> Tensor:
    """One step of the optimizer."""
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    start = images + site.team.rank * schedule.batch_size
    rows = rows_at(start, schedule.batch_size, lesson.length, schedule.seed)
    generator = torch.Generator(site.device).manual_seed(seed_for("step", schedule.seed, start))
    kind = torch.device(site.device).type
    with torch.autocast(kind, torch.bfloat16, enabled=site.dtype == "bfloat16"):
        loss = lesson.loss(state.module, rows, generator)
    loss.backward()  # type: ignore[no-untyped-call]  # missing in torch's own types
    torch.nn.utils.clip_grad_norm_(state.module.parameters(), lesson.longest)
    state.optimizer.step()
    state.optimizer.zero_grad()
    return loss.detach()


def rows_at(start: int, count: int, length: int, seed: int) -> Rows:
    """Rows of the data in an endless order in which each pass shuffles all of them anew."""
    numbers = np.arange(start, start + count)
    return np.array(
        [_order(length, seed, int(turn))[number] for turn, number in zip(*divmod(numbers, length), strict=True)]
    )


@lru_cache(maxsize=2)
def _order(length: int, seed: int, turn: int) -> Rows:
    return np.random.default_rng([seed, turn]).permutation(length)


@torch.no_grad()
def _follow(state: State, share: float) -> None:
    """The average keeps its share and takes the rest from the weights."""
    torch._foreach_lerp_(list(state.average.parameters()), list(state.module.parameters()), 1 - share)


def _log(site: Site, progress: Progress, loss: float, rate: float) -> None:
    if site.team.leads:
        line = {"step": progress.step, "images": progress.images, "loss": round(loss, 6), "rate": round(rate, 8)}
        with (site.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({**line, "seconds": round(progress.seconds, 1)}) + "\n")


def _tell(site: Site, schedule: Schedule, progress: Progress) -> None:
    """In images or in seconds, as the budget is said."""
    budget = math.ceil(schedule.images or schedule.seconds or 0)
    spent = progress.images if schedule.images else int(progress.seconds)
    if site.team.leads:
        site.tell(min(spent, budget), budget)


def _shorten_log(site: Site, progress: Progress) -> None:
    """Forgets lines of steps that a killed call took after its last checkpoint: they are taken again."""
    path = site.folder / "log.jsonl"
    if site.team.leads and path.exists():
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= progress.step))

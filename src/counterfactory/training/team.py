"""Processes that train one model together on a machine without an accelerator. Knows nothing of models."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed, multiprocessing

Result = TypeVar("Result")
PATIENCE = 30  # seconds for the others to end by themselves


@dataclass(frozen=True, kw_only=True)
class Team:
    """One process among those that train together; alone by default."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what is shared."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Every process goes on with the mean of all."""
        if self.size == 1:
            return
        listed = list(tensors)
        flat = torch.cat([tensor.detach().flatten() for tensor in listed])
        distributed.all_reduce(flat)
        means = torch.split(flat.div_(self.size), [tensor.numel() for tensor in listed])
        with torch.no_grad():
            for tensor, mean in zip(listed, means, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def agree(self, number: float) -> float:
        """The leader's number."""
        if self.size == 1:
            return number
        said = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(said, 0)
        return said.item()

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()


def together(task: Callable[[Team], Result], processes: int) -> Result:
    """What the leader's task returns; this process leads, and when it dies the others follow."""
    if processes == 1:
        with _quick_arithmetic():
            return task(Team())
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as meeting, _one_thread(), _quick_arithmetic():
        place = Path(meeting) / "meeting"
        teams = [Team(rank=rank, size=processes) for rank in range(1, processes)]
        others = [context.Process(target=_follow, args=(task, team, place), daemon=True) for team in teams]
        for other in others:
            other.start()
        finished = False
        try:
            result = _joined(task, Team(size=processes), place)
            finished = True
            return result
        finally:
            for other in others:
                other.join(PATIENCE if finished else 0)
                other.terminate()
                other.join()


def _follow(task: Callable[[Team], Result], team: Team, place: Path) -> None:
    """What another process does; one that lost its leader has said why in the leader's place."""
    with _one_thread(), _quick_arithmetic():
        _joined(task, team, place)


def _joined(task: Callable[[Team], Result], team: Team, place: Path) -> Result:
    distributed.init_process_group("gloo", init_method=f"file://{place}", rank=team.rank, world_size=team.size)
    try:
        return task(team)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Two threads of two processes on two cores wait for each other more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quick_arithmetic() -> Iterator[None]:
    """Numbers near nothing become nothing: processors are slow with them, and young networks have many."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)

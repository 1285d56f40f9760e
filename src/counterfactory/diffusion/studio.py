"""Requests of any sort in, samples out: sorts them, draws what goes together, and keeps what came of it."""

from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from counterfactory.diffusion.finishing import Finish
from counterfactory.diffusion.frames import Frame, Size, framed, refuse_sizes
from counterfactory.diffusion.painting import Painter
from counterfactory.errors import BadConfig, BadData
from counterfactory.training.pictures import to_pixels
from counterfactory.types import Failed, Request, Sample
from counterfactory.worker import Worker, is_out_of_memory, let_memory_go

Outcome = Sample | Failed
FLAGGED = Failed("", "the pipeline's safety checker objects to this drawing; another seed or prompt may pass")
OVERFLOWN = Failed(
    "", "the drawing came out as no numbers: the model overflows in this number format; take another dtype"
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A request, where it stood, and the sizes that it has."""

    place: int
    request: Request
    frame: Frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Studio:
    """What an engine does with a batch."""

    painter: Painter
    worker: Worker
    finish: Finish

    def __call__(self, requests: Sequence[Request]) -> list[Outcome]:
        """One sample, or the reason why there is none, for each request; files are written while the next are drawn."""
        outcomes: dict[int, Outcome] = {}
        finishing: dict[int, Future[Outcome]] = {}
        tasks = []
        for place, request in enumerate(requests):
            try:
                tasks.append(self._task(place, request))
            except (BadData, BadConfig) as error:
                outcomes[place] = Failed("", str(error))
        with ThreadPoolExecutor(max(1, min(4, self.worker.processes))) as hands:
            for group in self._groups(tasks):
                for task, drawn in zip(group, self._drawn(group), strict=True):
                    if isinstance(drawn, Failed):
                        outcomes[task.place] = drawn
                    else:
                        finishing[task.place] = hands.submit(self.finish, drawn, task.request, task.frame)
        outcomes.update((place, future.result()) for place, future in finishing.items())
        return [outcomes[place] for place in range(len(requests))]

    def _task(self, place: int, request: Request) -> Task:
        accepted = self.painter.accept(request)
        refuse_sizes(accepted, self.worker)
        return Task(place=place, request=accepted, frame=framed(accepted, self.painter.grid, self.worker))

    def _groups(self, tasks: Sequence[Task]) -> Iterator[list[Task]]:
        """What can be drawn together, in pieces of the worker's batch size."""
        groups: dict[tuple[Size, Hashable], list[Task]] = {}
        for task in tasks:
            groups.setdefault((task.frame.drawn, self.painter.alike(task.request)), []).append(task)
        size = self.worker.batch_size
        return (group[at : at + size] for group in groups.values() for at in range(0, len(group), size))

    def _drawn(self, group: Sequence[Task]) -> list[np.ndarray | Failed]:
        """Pixels (H, W, 3) of each; half as many at once where there is no room for all."""
        try:
            return self._tried(group)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        let_memory_go(self.worker.device)  # out here the error lets go of what it held
        if len(group) == 1:
            return [_no_room(group[0].frame.drawn)]
        half = len(group) // 2
        return self._drawn(group[:half]) + self._drawn(group[half:])

    def _tried(self, group: Sequence[Task]) -> list[np.ndarray | Failed]:
        requests = [task.request for task in group]
        if self.worker.deterministic:  # one shape of batch, whoever shares it
            requests += [requests[-1]] * (self.worker.batch_size - len(requests))
        drawn = self.painter.draw(requests, group[0].frame.drawn)
        finite = torch.isfinite(drawn.pictures).flatten(1).all(1).tolist()
        pixels = to_pixels(drawn.pictures.nan_to_num())
        rows = zip(pixels, finite, drawn.flagged, strict=True)
        judged = [FLAGGED if flagged else picture if is_finite else OVERFLOWN for picture, is_finite, flagged in rows]
        return judged[: len(group)]


def _no_room(size: Size) -> Failed:
    return Failed(
        "",
        f"out of memory: a drawing of {size[0]} x {size[1]} pixels does not fit into the device's memory, alone in its "
        "batch; draw in a smaller size or in 16 bits, or let the worker's memory be spared (offload, slicing, tiling).",
    )

"""Every batch here, one after another. A batch that fails is halved until the bad item stands alone."""

import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from counterfactory.errors import CounterfactoryError, DiskTrouble, Unavailable
from counterfactory.keys import key
from counterfactory.types import Failed, Step
from counterfactory.worker import Worker

LOADED = 2  # steps kept ready; a recipe alternates between few

Apply = Callable[[Sequence[Any]], Sequence[Any]]


class LocalExecutor:
    """Runs steps in this process; what was loaded last stays loaded."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self._loaded: OrderedDict[str, Apply] = OrderedDict()

    def map(self, step: Step[Any, Any], batches: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
        """One list of results or `Failed` for each batch, in order."""
        for batch in batches:
            yield apply_halving(self._ready(step), batch, self._shape(step))

    def _shape(self, step: Step[Any, Any]) -> int | None:
        """To what size batches are padded; a step whose items are large and stand alone says `pads = False`."""
        return self.worker.batch_size if self.worker.deterministic and getattr(step, "pads", True) else None

    def _ready(self, step: Step[Any, Any]) -> Apply:
        name = key(step)
        if name not in self._loaded:
            while len(self._loaded) >= LOADED:
                self._loaded.popitem(last=False)
            self._loaded[name] = step.load(self.worker)
        self._loaded.move_to_end(name)
        return self._loaded[name]


def apply_halving(apply: Apply, batch: Sequence[Any], shape: int | None = None) -> list[Any]:
    """Results of a batch, item by item where the whole fails; `shape` pads each call to one fixed size."""
    try:
        return _applied(apply, batch, shape)
    except (Unavailable, DiskTrouble):  # these would fail for every item alike
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises, the other items go on
        if len(batch) == 1:
            return [_failed(error)]
    half = len(batch) // 2
    return apply_halving(apply, batch[:half], shape) + apply_halving(apply, batch[half:], shape)


def _applied(apply: Apply, batch: Sequence[Any], shape: int | None) -> list[Any]:
    padded = [*batch, *[batch[-1]] * (shape - len(batch))] if shape else batch
    results = list(apply(padded))
    if len(results) != len(padded):
        raise ValueError(f"the step gave {len(results)} results for {len(padded)} items")
    return results[: len(batch)]


def _failed(error: Exception) -> Failed:
    if isinstance(error, CounterfactoryError):
        return Failed("", str(error))
    return Failed("", f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))

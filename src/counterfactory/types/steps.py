"""What does something to items or learns from data, and what comes of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from counterfactory.types.samples import Dataset

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_in = TypeVar("Item_in", contravariant=True)
Result_out = TypeVar("Result_out", covariant=True)


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that could not be done, and why; it stands where its result would."""

    key: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a training left: a folder of the workspace, named by its key. May be a field of a later step."""

    kind: str
    key: str
    numbers: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Step(Protocol[Item_in, Result_out]):
    """A frozen pydantic model that says what to do; `load` makes the thing that does it, on a batch.

    Its fields are its configuration, its command-line options, its cache key and what travels to a
    worker. `version` is bumped when its output changes. The batch callable returns one result or one
    `Failed` an item, in order; what it raises is met by halving the batch. A step whose items are large and
    stand alone, such as whole data sets, says `pads: ClassVar[bool] = False`: it is never given copies to fill a batch.
    One that works on many items at the same time, such as requests to an endpoint, says with `at_once` (a number) how
    many it wants in a batch where the worker would give it fewer. One that is fastest with items of one sort has
    `alike(worker, item)`: items for which it says the same share batches, and results stay in the items' order.
    """

    version: ClassVar[int]

    def load(self, worker: Any) -> Callable[[Sequence[Item_in]], Sequence[Result_out | Failed]]: ...


class Trainer(Protocol):
    """A frozen pydantic model whose `fit` leaves an artifact's files in `folder`, resumable from there.

    It returns the numbers worth remembering. A call on a folder that a killed call left goes on from its checkpoint.
    """

    version: ClassVar[int]
    kind: ClassVar[str]

    def fit(self, worker: Any, folder: Any, datasets: Mapping[str, Dataset]) -> Mapping[str, Any]: ...


def succeeded(pairs: Iterable[tuple[Item, Result | Failed]]) -> Iterator[tuple[Item, Result]]:
    """The pairs whose result is there: a recipe says with this that it goes on without the others."""
    return ((item, result) for item, result in pairs if not isinstance(result, Failed))

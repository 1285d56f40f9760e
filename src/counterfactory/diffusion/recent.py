"""What was made last, by what it was made from, as long as there is room. Knows nothing of what it holds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Tensors, arrays and whatever else knows its bytes."""

    @property
    def nbytes(self) -> int: ...


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Sized)


class Recent(Generic[Key, Value]):
    """Keeps what was asked for last, at most so many bytes of it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._filled = 0

    def each(
        self, keys: Sequence[Key], make: Callable[[list[Key]], Sequence[Value]], at_once: int = 64
    ) -> dict[Key, Value]:
        """The value of each different key; those that are not there are made, so many in one call."""
        different = list(dict.fromkeys(keys))
        found = {key: self._kept[key] for key in different if key in self._kept}
        missing = [key for key in different if key not in found]
        for start in range(0, len(missing), at_once):
            some = missing[start : start + at_once]
            found.update(zip(some, make(some), strict=True))
        for key in different:
            self._keep(key, found[key])
        return found

    def _keep(self, key: Key, value: Value) -> None:
        if key not in self._kept:
            self._filled += value.nbytes
        self._kept[key] = value
        self._kept.move_to_end(key)
        while self._filled > self._room:
            self._filled -= self._kept.popitem(last=False)[1].nbytes

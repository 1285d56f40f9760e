"""What came of settings that were tried, and where that is remembered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from counterfactory import codec, keys
from counterfactory.search.plan import Settings
from counterfactory.store import Failure, Store


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of some settings."""

    number: int  # from 0
    settings: Settings
    state: Literal["complete", "pruned", "failed"]
    value: float | None = None  # of a complete one
    curve: tuple[tuple[int, float], ...] = ()  # steps and how good it was by then
    reason: str = ""  # why it failed, or what pruned it that was not its curve
    same_as: int | None = None  # an earlier one that meant the same

    @property
    def score(self) -> float:
        """Its value, where it is known to be complete."""
        assert self.value is not None, f"trial {self.number} is {self.state}"
        return self.value


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A candidate with its values, of seeds that it was not chosen by where any are asked for: luck counts less."""

    trial: Trial
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The best settings, their value, and all that led there: plain data for plots."""

    settings: Settings
    value: float
    trials: tuple[Trial, ...]
    finalists: tuple[Finalist, ...]  # the best first
    importance: Mapping[str, float]  # of each setting, 1 in sum, the largest first; empty where nothing tells


class Ledger:
    """Scores in the store, each under its settings and all else that it follows from."""

    def __init__(self, store: Store, about: Any, used: Callable[[bytes], None]):
        said = keys.canonical(about)
        self._store, self._used = store, used
        self._number = store.step("Search", said)
        self._prefix = keys.digest(said.encode())

    def name(self, *parts: Any) -> bytes:
        """The key of some settings, named among those that are used."""
        name = bytes.fromhex(keys.key(self._prefix, *parts))
        self._used(name)
        return name

    def known(self, name: bytes) -> Any:
        """What was kept under a key, or None."""
        found = self._store.get([name])
        return codec.decode(found[name]) if found else None

    def keep(self, name: bytes, value: Any) -> None:
        """Remember what was scored."""
        self._store.commit(self._number, {name: codec.encode(value)})

    def fail(self, name: bytes, item: Any, reason: str) -> None:
        """A failed row; what failed is tried again the next time."""
        self._store.commit(self._number, {}, [Failure(name.hex(), "", codec.encode(item), reason)])

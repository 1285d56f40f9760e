"""The captions that come with the data."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel

from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker


class GivenCaption(BaseModel, frozen=True, extra="forbid"):
    """A sample's own caption, in the form that other captioners give theirs."""

    version: ClassVar[int] = 1

    kind: Literal["given"] = "given"

    def load(self, worker: Worker) -> Callable[[Sequence[Sample]], list[tuple[str, ...] | Failed]]:
        return lambda samples: [_given(sample) for sample in samples]


def _given(sample: Sample) -> tuple[str, ...] | Failed:
    text = " ".join((sample.caption or "").split())
    return (text,) if text else Failed("", f"{sample.image.place} has no caption: name a captioner to make one")

"""What is said between us and a language model. Knows no network, no file and no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from counterfactory.keys import key

Role = Literal["user", "assistant"]  # no "system": some chat templates refuse it, and ours need none


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that is shown to the model: what it is, and how its JPEG is made once it must be sent."""

    name: str
    jpeg: Callable[[], bytes] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one side says, and shows."""

    role: Role
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation so far, and the form that the reply to it must have; `attempt` counts the replies before it."""

    messages: tuple[Message, ...]
    form: type[BaseModel]
    seed: int = 0
    attempt: int = 0

    def key(self, model: Sequence[Any]) -> str:
        """The address of the reply of a model: the same wherever that model is asked."""
        said = [(m.role, m.text, [picture.name for picture in m.pictures]) for m in self.messages]
        return key("reply", model, said, schema_of(self.form), self.seed, self.attempt)


@cache
def schema_of(form: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON Schema of a form, made once."""
    return form.model_json_schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model said, raw, and why it ended."""

    text: str
    finish: Literal["stop", "length", "refused"] = "stop"
    read: int = 0  # tokens of the request
    written: int = 0  # tokens of the reply


class NoAnswer(Exception):
    """One item cannot be answered; the others go on. `detail` keeps what was said."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail

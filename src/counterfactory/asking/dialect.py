"""How an endpoint wants to be spoken to: learnt from what it refuses, remembered while it is asked."""

from collections.abc import Mapping
from typing import Any

from counterfactory.asking.chat import Chat, schema_of
from counterfactory.asking.endpoint import Endpoint

# What a reply must be, said most strictly first; the last says nothing, and the prompt must do.
STRICTNESS = ("json_schema", "json_object", "text")
NOT_UNDERSTOOD = {400, 404, 415, 422, 500, 501}  # what servers answer to a field that they do not know
LIMITS = ("max_tokens", "max_completion_tokens")  # the newer models of OpenAI know the second alone


class Dialect:
    """The strictest way to ask for JSON, and the name of the limit, that an endpoint understands."""

    def __init__(self) -> None:
        self._strictness, self._limit = 0, 0
        self._is_understood = False

    def said(self, endpoint: Endpoint, messages: list[dict[str, Any]], chat: Chat) -> dict[str, Any]:
        """A request's body."""
        said: dict[str, Any] = {"model": endpoint.model, "messages": messages}
        said[LIMITS[self._limit]] = endpoint.max_tokens
        if endpoint.temperature is not None:
            said["temperature"] = endpoint.temperature
        if endpoint.temperature != 0:
            said["seed"] = (chat.seed + chat.attempt) % 2**31
        if form := _response_format(STRICTNESS[self._strictness], chat):
            said["response_format"] = form
        return said

    def understood(self, said: Mapping[str, Any]) -> None:
        """What was said so was answered."""
        if said.get("response_format", {}).get("type", "text") == STRICTNESS[self._strictness]:
            self._is_understood = True

    def gives_way(self, status: int, text: str, said: Mapping[str, Any]) -> bool:
        """Whether the request should be said in another way, since this one may be what was refused."""
        if status == 400 and "max_completion_tokens" in text and "max_tokens" in said:
            self._limit = 1
            return True
        tried = STRICTNESS.index(said.get("response_format", {}).get("type", "text"))
        if status not in NOT_UNDERSTOOD or (status == 404 and "response_format" not in text):
            return False
        if tried < self._strictness:  # another request was first to find it out
            return True
        if self._is_understood:
            return False
        if tried == len(STRICTNESS) - 1:  # so it was not for the way it was said
            self._strictness = 0
            return False
        self._strictness = tried + 1
        return True


def _response_format(strictness: str, chat: Chat) -> dict[str, Any] | None:
    schema = schema_of(chat.form)
    if strictness == "json_schema":
        named = {"name": chat.form.__name__, "strict": True, "schema": schema}
        return {"type": "json_schema", "json_schema": named}
    return {"type": "json_object", "schema": schema} if strictness == "json_object" else None

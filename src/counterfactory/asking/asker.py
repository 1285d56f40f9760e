"""Asks one endpoint: every reply once ever, retried where waiting helps, and an end to it where nothing does."""

import base64
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from counterfactory.asking.access import Access, find_access
from counterfactory.asking.chat import Chat, Message, NoAnswer, Reply
from counterfactory.asking.dialect import Dialect
from counterfactory.asking.endpoint import Endpoint
from counterfactory.asking.gate import Gate
from counterfactory.asking.post import Insecure, Response, Slow, Unreachable, open_line, post
from counterfactory.asking.replies import Replies

SENT = 4  # times that one request is sent, where the endpoint breaks on it
SLOW = 2  # times that one request may be too slow
BUSY = {200, 408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}  # 200: what came is no completion
FOR_NO_ONE = {300, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 410}  # no other request would fare better


class Asker:
    """A loaded endpoint; called with a chat, from many threads."""

    def __init__(self, endpoint: Endpoint, workspace: Path):
        self._endpoint = endpoint
        self._access: Access = find_access(endpoint)
        self._replies = Replies(workspace)
        self._line = open_line(self._access.url, endpoint.concurrency)
        self._gate = Gate(endpoint.concurrency, endpoint.pause)
        self._dialect = Dialect()
        self._asked: dict[str, Future[Reply]] = {}
        self._turn = Lock()

    def __call__(self, chat: Chat) -> Reply:
        """The reply that was kept, that another thread is waiting for, or a new one."""
        speaking = self._endpoint
        key = chat.key(["endpoint", speaking.model, speaking.temperature, speaking.max_tokens])
        with self._turn:
            awaited = self._asked.get(key)
            ours = self._asked.setdefault(key, Future())
        if awaited is not None:
            return awaited.result()
        try:
            reply = self._replies.get(key) or self._new(key, chat)
            ours.set_result(reply)
            return reply
        except BaseException as error:
            ours.set_exception(error)
            raise
        finally:
            with self._turn:
                del self._asked[key]

    def _new(self, key: str, chat: Chat) -> Reply:
        reply = self._ask([_message(message) for message in chat.messages], chat)
        self._replies.put(key, self._endpoint.model, reply)
        return reply

    def _ask(self, messages: list[dict[str, Any]], chat: Chat) -> Reply:
        """Until there is a reply: a bounded number of times for this request, and for all of them together."""
        broken, slow = 0, 0
        while True:
            with self._gate.passing() as since:
                said = self._dialect.said(self._endpoint, messages, chat)
                try:
                    response = self._post(said)
                except Unreachable as error:
                    self._unreachable(since, str(error))
                    continue
                except Slow:
                    slow += 1
                    self._slow(since, slow)
                    continue
                reply = self._heard(response, said)
            if reply is not None:
                self._gate.went_well()
                return reply
            if self._dialect.gives_way(response.status, response.text, said):
                continue
            broken += 1
            if refusal := self._trouble(response, since, broken):
                return refusal

    def _post(self, said: Mapping[str, Any]) -> Response:
        body = json.dumps(said).encode()
        try:
            found = post(self._line, self._access.headers(), body, self._endpoint.timeout)
        except Insecure as error:
            self._gate.shut(f"{self._access.host} is not trusted ({error}). Mind base_url and its certificate.")
            raise
        return Response(found.status, found.headers, self._access.hide(found.text))

    def _heard(self, response: Response, said: Mapping[str, Any]) -> Reply | None:
        reply = reply_in(response.text) if response.status == 200 else None
        if reply is not None:
            self._dialect.understood(said)
        return reply

    def _unreachable(self, since: float, reason: str) -> None:
        host = self._access.host
        first = f"{host} cannot be reached ({reason}). Is the server running, and base_url or OPENAI_BASE_URL right?"
        self._gate.rebuff(since, first, patience=None if self._gate.was_heard else 2)

    def _slow(self, since: float, times: int) -> None:
        """A server that is given too much at once is slow: fewer ask it then."""
        why = f"{self._access.host} did not answer within {self._endpoint.timeout:g} seconds (timeout)."
        if times < SLOW:
            self._gate.rebuff(since, why)
            return
        self._gate.lost(why)
        raise NoAnswer(why)

    def _trouble(self, response: Response, since: float, times: int) -> Reply | None:
        """Pauses where that may help; else gives this request up, or all of them.

        Where an endpoint that answers others does not want this request, that is its reply, and kept as one.
        """
        host, status, told = self._access.host, response.status, message_in(response.text)
        if status in FOR_NO_ONE or (status == 429 and "insufficient_quota" in response.text):
            self._gate.shut(f"{host} answers {status}: {told}. {self._advice(status)}")
        why = f"{host} answers {status}{', but no chat completion' if status == 200 else ''}: {told}."
        if status == 429 or (times < SENT and status in BUSY):
            self._gate.rebuff(since, why, asked=_seconds(response.headers))
            return None
        self._gate.lost(why)
        if status in BUSY or not self._gate.was_heard:
            raise NoAnswer(why, response.text[:10_000])
        return Reply(text=why, finish="refused")

    def _advice(self, status: int) -> str:
        access = self._access
        if status in {401, 403}:
            is_set = "is what it refuses" if access.key else "is not set"
            return f"The key {access.key_name}, from the environment or .env, {is_set}. Nothing more was asked."
        if status in {402, 429}:
            return "Its account has no means left. Nothing more is asked; what was answered is kept."
        return f"Is there a model {self._endpoint.model!r}, and does base_url end as it should (often in /v1)?"


def reply_in(text: str) -> Reply | None:
    """The reply in a chat completion; nothing where it is none."""
    try:
        said = json.loads(text)
        choice = said["choices"][0]
        message = choice.get("message") or {"content": choice["text"]}
        content, refusal = message.get("content"), message.get("refusal")
        used = said.get("usage") or {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if isinstance(content, list):  # parts, as some servers say it
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if not isinstance(content or "", str):
        return None
    refused = bool(refusal) or choice.get("finish_reason") == "content_filter"
    cut = choice.get("finish_reason") in {"length", "max_tokens"}
    raw = str(refusal or content or "").encode("utf-8", "replace").decode()  # halves of characters cannot be kept
    finish: Any = "refused" if refused else "length" if cut else "stop"
    return Reply(text=raw, finish=finish, read=_count(used, "prompt_tokens"), written=_count(used, "completion_tokens"))


def message_in(text: str) -> str:
    """What an endpoint says of an error, in one line."""
    told: Any = text
    with suppress(ValueError, RecursionError):
        told = json.loads(text)
    for name in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            told = told[name]
    return " ".join(str(told).split())[:300].rstrip(".") or "nothing"


def _count(used: Any, name: str) -> int:
    value = used.get(name) if isinstance(used, dict) else None
    return value if isinstance(value, int) else 0


def _message(message: Message) -> dict[str, Any]:
    """A message as endpoints want it; pictures as data within the address."""
    if not message.pictures:
        return {"role": message.role, "content": message.text}
    shown = [{"type": "image_url", "image_url": {"url": _data_url(picture.jpeg)}} for picture in message.pictures]
    return {"role": message.role, "content": [{"type": "text", "text": message.text}, *shown]}


def _data_url(jpeg: Callable[[], bytes]) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg()).decode()


def _seconds(headers: Mapping[str, str]) -> float | None:
    """For how long an endpoint asks to wait: in milliseconds, in seconds, or until a date."""
    from email.utils import parsedate_to_datetime
    from time import time

    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            return max(0.0, float(headers[name]) * unit)
    with suppress(KeyError, ValueError):
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time())
    return None

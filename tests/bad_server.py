"""A real chat endpoint on this machine that behaves as badly as a test wants it to."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Says:
    """One response: what comes, how late, and whether the line is cut after half of it."""

    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_cut: bool = False
    drip: float = 0.0  # seconds between one byte and the next


Behaviour = Callable[[dict[str, Any]], Says]


def completion(text: str | None, finish: str = "stop", **message: Any) -> Says:
    """A chat completion, well formed whatever the text."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    said = {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    return Says(json.dumps(said))


def answer(**said: Any) -> Says:
    """A completion whose text is the JSON of an object."""
    return completion(json.dumps(said))


def trouble(status: int, message: str, **headers: str) -> Says:
    """An error as OpenAI words it."""
    return Says(
        json.dumps({"error": {"message": message}}), status, {k.replace("_", "-"): v for k, v in headers.items()}
    )


HTML = Says("<!DOCTYPE html><html><body>Welcome to nginx</body></html>", headers={"Content-Type": "text/html"})


class BadServer:
    """Serves within a `with` block; remembers every request that it was sent."""

    def __init__(self, behaviour: Behaviour | Says):
        self.behaviour = behaviour if callable(behaviour) else lambda _said: behaviour
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.at_once, self._inside, self._turn = 0, 0, Lock()

    def __enter__(self) -> "BadServer":
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server.serve(self)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._turn:
            self.asked.append(said)
            self.headers.append(dict(handler.headers))
            self.paths.append(handler.path)
            self._inside += 1
            self.at_once = max(self.at_once, self._inside)
        says = self.behaviour(said)
        time.sleep(says.seconds)
        with self._turn:
            self._inside -= 1
        try:
            _respond(handler, says)
        except OSError:
            handler.close_connection = True  # who asked does not wait any more


def _respond(handler: BaseHTTPRequestHandler, says: Says) -> None:
    body = says.body.encode()
    handler.send_response(says.status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **says.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if says.drip:
        for byte in body:
            handler.wfile.write(bytes([byte]))
            time.sleep(says.drip)
        return
    handler.wfile.write(body[: len(body) // 2] if says.is_cut else body)
    handler.close_connection = handler.close_connection or says.is_cut


def prompt(said: Mapping[str, Any]) -> str:
    """The text of the last thing that was said to the server."""
    content = said["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port

"""The model under test behind an address: a real server on this machine, in every mood."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from counterfactory.classify import endpoint
from counterfactory.classify.tested import model_under_test
from counterfactory.classify.under_test import UnderTest
from counterfactory.errors import BadConfig, BadData, Unavailable
from counterfactory.keys import key
from counterfactory.run import Run
from counterfactory.types import Failed
from squares import CLASSES, squares, worker


@dataclass(kw_only=True)
class Server:
    """What it was asked, and how it answers."""

    address: str = ""
    mood: Callable[[bytes], tuple[int, bytes]] = lambda _: (200, b"[]")
    asked: list[dict[str, str]] = field(default_factory=list)
    further: str = ""  # where it sends on to
    busy: int = 0  # now
    busiest: int = 0


def means(data: bytes) -> list[float]:
    """The share of each colour: a model that tells squares."""
    colours = np.asarray(Image.open(io.BytesIO(data)), float).mean((0, 1))
    return [float(share) for share in colours / colours.sum()]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(endpoint, "WAITS", (0.01, 0.02))
    monkeypatch.delenv(endpoint.KEY, raising=False)
    said, lock = Server(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with lock:
                said.asked.append(dict(self.headers))
                said.busy += 1
                said.busiest = max(said.busiest, said.busy)
            code, body = said.mood(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                said.busy -= 1
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            if code == 429:
                self.send_header("Retry-After", "0")
            if said.further:
                self.send_header("Location", said.further)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    said.address = f"http://127.0.0.1:{running.server_port}/scores"
    yield said
    running.shutdown()
    running.server_close()
    thread.join()


def told(folder: Path, server: Server, count: int = 3, **said: Any) -> list[Any]:
    step = UnderTest(model=model_under_test({"name": server.address, **said}), classes=CLASSES)
    return step.load(worker(folder))(squares(folder / "images", count).samples)


def as_json(value: Any) -> tuple[int, bytes]:
    return 200, json.dumps(value).encode()


def test_each_image_is_posted_as_png_and_scores_come_back(tmp_path: Path, server: Server):
    server.mood = lambda data: as_json(means(data))
    rows = told(tmp_path, server)
    assert [row.index(max(row)) for row in rows] == [0, 1, 2]
    assert {headers["Content-Type"] for headers in server.asked} == {"image/png"}
    assert not any("Authorization" in headers for headers in server.asked)


def test_json_in_and_names_out(tmp_path: Path, server: Server):
    def mood(data: bytes) -> tuple[int, bytes]:
        red, green, blue = means(base64.b64decode(json.loads(data)["image"]))
        return as_json({"scores": {"blue": blue, "Green": green, "red": red}})

    server.mood = mood
    rows = told(tmp_path, server, sends="json")
    assert [row.index(max(row)) for row in rows] == [0, 1, 2]
    assert {headers["Content-Type"] for headers in server.asked} == {"application/json"}


def test_a_key_of_the_environment_is_sent(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(endpoint.KEY, "s3cret")
    server.mood = lambda data: as_json(means(data))
    told(tmp_path, server, count=1)
    assert server.asked[0]["Authorization"] == "Bearer s3cret"


def test_images_are_sent_together_under_a_limit(tmp_path: Path, server: Server):
    def mood(data: bytes) -> tuple[int, bytes]:
        time.sleep(0.05)
        return as_json(means(data))

    server.mood = mood
    rows = told(tmp_path, server, count=12, at_once=4)
    assert [row.index(max(row)) for row in rows] == [0, 1, 2] * 4
    assert 2 <= server.busiest <= 4


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<html>Sorry</html>", "answered no JSON: '<html>Sorry</html>'"),
        (b'{"red": 0.5, "gre', "answered no JSON"),
        (b"[]", r"answered '[]'; expected a list of scores"),
        (b'{"error": "no"}', "expected a list of scores, or an object"),
        (b"[true, false, false]", "expected a list of scores"),
        (b"0.5", "expected a list of scores"),
        (b"[0.5, 0.5]", "2 outputs without names"),
        (b"[5.0, 1.0, -2]", "scores: logits"),
        (b"[NaN, 1.0, 0]", "NaN"),
        (b"[1" + b"0" * 400 + b", 0, 0]", "Scores came that are no numbers"),
        (b"[" * 100_000, "answered no JSON"),
        (b'{"red": 0.5, "pink": 0.5}', "does not know green, blue"),
        ("ü".encode("latin-1"), "answered no JSON"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failed_row(tmp_path: Path, server: Server, body: bytes, complaint: str):
    server.mood = lambda _: (200, body)
    (row,) = told(tmp_path, server, count=1)
    assert isinstance(row, Failed)
    assert complaint in row.reason


def test_one_that_is_slow_is_a_failed_row_and_the_others_go_on(tmp_path: Path, server: Server):
    def mood(data: bytes) -> tuple[int, bytes]:
        shares = means(data)
        time.sleep(0.6 if shares[1] > max(shares[0], shares[2]) else 0)
        return as_json(shares)

    server.mood = mood
    rows = told(tmp_path, server, timeout=0.3)
    assert [isinstance(row, Failed) for row in rows] == [False, True, False]
    assert "gave no answer within 0.3 seconds" in rows[1].reason


@pytest.mark.parametrize("code", [429, 503])
def test_one_that_is_busy_is_asked_again(tmp_path: Path, server: Server, code: int):
    replies = iter([(code, b"busy"), (code, b"busy")])
    server.mood = lambda data: next(replies, as_json(means(data)))
    (row,) = told(tmp_path, server, count=1)
    assert row.index(max(row)) == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize(("code", "times"), [(503, 3), (500, 1), (422, 1)])
def test_one_that_stays_busy_or_breaks_is_a_failed_row_with_its_words(
    tmp_path: Path, server: Server, code: int, times: int
):
    server.mood = lambda _: (code, b"the tensor is ill")
    (row,) = told(tmp_path, server, count=1)
    assert f"answered {code}: 'the tensor is ill'" in row.reason
    assert len(server.asked) == times


@pytest.mark.parametrize(
    ("code", "complaint"), [(401, "set MODEL_API_KEY"), (403, "refuses"), (404, "no such address")]
)
def test_a_wrong_key_or_address_ends_the_run_at_once(tmp_path: Path, server: Server, code: int, complaint: str):
    server.mood = lambda _: (code, b"")
    step = UnderTest(model=model_under_test({"name": server.address, "at_once": 1}), classes=CLASSES)
    with (
        Run(tmp_path / "workspace" / "run", worker(tmp_path)) as run,
        pytest.raises(Unavailable, match=complaint),
    ):
        run.map(step, squares(tmp_path / "images", 30).samples)
    assert len(server.asked) <= worker(tmp_path).batch_size


def test_a_key_goes_to_no_other_address_and_into_no_reason(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(endpoint.KEY, "sk-secret")
    server.mood = lambda _: (500, b"you sent Bearer sk-secret")
    (row,) = told(tmp_path, server, count=1)
    assert "you sent Bearer ***" in row.reason
    server.mood = lambda _: (302, b"")
    server.further = server.address
    with pytest.raises(Unavailable, match="sends on to another address"):
        told(tmp_path, server, count=2)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "address", ["http://me:pass@host/x", "http://host/x?api_key=sk-1", "http://host/x?a=1&token=2"]
)
def test_an_address_holds_no_key(address: str):
    with pytest.raises(BadConfig, match="MODEL_API_KEY"):
        model_under_test(address)


def test_one_that_is_down_ends_the_run(tmp_path: Path, server: Server):
    server.address = "http://127.0.0.1:9/scores"
    with pytest.raises(Unavailable, match=r"cannot be reached .* Is it running"):
        told(tmp_path, server, count=1)


def test_it_can_be_tried_before_anything_else_is_done(tmp_path: Path, server: Server):
    sample = squares(tmp_path / "images", 1).samples[0]
    step = UnderTest(model=model_under_test(server.address), classes=CLASSES)
    with pytest.raises(BadData, match=r"The model under test cannot be asked: .* expected a list of scores"):
        step.notices(worker(tmp_path), sample)
    server.mood = lambda data: as_json(means(data))
    assert "in this order" in step.notices(worker(tmp_path), sample)[0]


def test_patience_changes_no_key_and_what_stands_behind_the_address_does():
    name = "http://localhost:1/scores"
    step = UnderTest(model=model_under_test({"name": name, "at_once": 50, "timeout": 5}), classes=CLASSES)
    assert step.at_once == 50
    assert key(step) == key(UnderTest(model=model_under_test(name), classes=CLASSES))
    assert key(step) != key(UnderTest(model=model_under_test({"name": name, "revision": "2"}), classes=CLASSES))


def test_what_is_no_address_is_refused():
    for name in ("http://", "https:///scores"):
        with pytest.raises(BadConfig, match="expected an address"):
            model_under_test(name)
    for name in ("http://localhost/ä", "http://localhost:0/scores", "http://localhost:99999/scores"):
        with pytest.raises(BadConfig, match=r"[Pp]ort"):
            model_under_test(name)
    with pytest.raises(BadConfig, match="timeout"):
        model_under_test({"name": "http://localhost", "timeout": 0})

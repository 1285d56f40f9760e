"""A model under test behind an address. One POST an image: a PNG, or JSON `{"image": base64 of the PNG}`.

It answers with JSON: a list of scores, an object of names and scores, or either under `scores`. `MODEL_API_KEY` of the
environment, where it is set, is sent as a bearer token.
"""

import base64
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from counterfactory.classify.scores import Answer, Ask, answer
from counterfactory.classify.tested import EndpointModel
from counterfactory.errors import Unavailable
from counterfactory.pixels import encode_png
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker

KEY = "MODEL_API_KEY"
WAITS = (0.2, 1.0)  # seconds before a second and a third try
LONGEST_WAIT = 10.0  # that an endpoint may ask for
BUSY = frozenset({429, 502, 503, 504})
REFUSED = {401: "refuses the key", 403: "refuses the key", 404: "knows no such address", 405: "takes no POST there"}
LONGEST = 10_000_000  # bytes of an answer
SHOWN = 120  # letters of an answer that is not understood


class _NoFurther(HTTPRedirectHandler):
    """The key and the images are for the address that was given, and for no other that it names."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = build_opener(_NoFurther)


def open_endpoint(model: EndpointModel, worker: Worker) -> Ask:
    """The endpoint, asked for several images at a time."""

    def one(sample: Sample) -> Answer | Failed:
        return _asked(model, encode_png(worker.pixels.image(sample.image)))

    def ask(samples: Sequence[Sample]) -> Sequence[Answer | Failed]:
        with ThreadPoolExecutor(min(model.at_once, len(samples))) as pool:
            return list(pool.map(one, samples))

    return ask


def _asked(model: EndpointModel, image: bytes) -> Answer | Failed:
    """The answer for one image; an endpoint that is busy is asked again, one that is not there ends the run."""
    for wait in (*WAITS, None):
        try:
            with OPENER.open(_request(model, image), timeout=model.timeout) as reply:  # checked to be http
                return _read(model, reply.read(LONGEST))
        except HTTPError as error:
            with error:
                if error.code in REFUSED or error.code // 100 == 3:
                    raise Unavailable(_refusal(model, error.code)) from error
                if error.code not in BUSY or wait is None:
                    return Failed("", f"{model.name} answered {error.code}: {_shown(error.read(LONGEST))}")
                time.sleep(_wait(error, wait))
        except TimeoutError:
            return Failed("", f"{model.name} gave no answer within {model.timeout:g} seconds.")
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                return Failed("", f"{model.name} gave no answer within {model.timeout:g} seconds.")
            if wait is None:
                raise Unavailable(
                    f"{model.name} cannot be reached ({reason}). Is it running? What it has answered is kept."
                ) from error
            time.sleep(wait)
    raise AssertionError("the last try ends it")


def _request(model: EndpointModel, image: bytes) -> Request:
    headers = {
        "Content-Type": "image/png" if model.sends == "png" else "application/json",
        "Accept": "application/json",
    }
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    data = image if model.sends == "png" else json.dumps({"image": base64.b64encode(image).decode()}).encode()
    return Request(model.name, data=data, headers=headers, method="POST")  # noqa: S310 - checked to be http


def _refusal(model: EndpointModel, code: int) -> str:
    if code not in REFUSED:
        return f"{model.name} sends on to another address ({code}); give that one."
    remedy = f"set {KEY} in the environment" if code in {401, 403} else "mind the address"
    return f"{model.name} {REFUSED[code]} ({code}): {remedy}."


def _wait(error: HTTPError, usual: float) -> float:
    """What the endpoint asks for, where it does so in seconds."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else usual


def _read(model: EndpointModel, data: bytes) -> Answer | Failed:
    try:
        said: Any = json.loads(data)
    except (ValueError, RecursionError):
        return Failed("", f"{model.name} answered no JSON: {_shown(data)}")
    if isinstance(said, dict) and isinstance(said.get("scores"), list | dict):
        said = said["scores"]
    values = list(said.values()) if isinstance(said, dict) else said
    if not isinstance(values, list) or not values or not all(_is_number(value) for value in values):
        return Failed(
            "", f"{model.name} answered {_shown(data)}; expected a list of scores, or an object of names and scores."
        )
    return answer(said, model.name, model.scores == "logits")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(data: bytes) -> str:
    text = " ".join(data.decode("utf-8", "replace").split())
    if key := os.environ.get(KEY):
        text = text.replace(key, "***")
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")

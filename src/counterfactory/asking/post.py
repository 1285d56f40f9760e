"""One HTTP request and what comes back, within a time and a size. Knows nothing of language models."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

LARGEST = 16 * 2**20  # bytes; no reply to a question is larger
CONNECT_SECONDS = 10.0
HERE = {"localhost", "127.0.0.1", "::1"}


class Unreachable(Exception):
    """There was no connection, or it broke before the reply was whole."""


class Slow(Exception):
    """The reply was not there in time."""


class Insecure(Exception):
    """The other side could not show that it is whom it is taken for."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers in small letters, and the text."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """Kept connections to one address."""

    pool: urllib3.HTTPConnectionPool
    target: str  # what is asked for: a path, or the whole address where a proxy forwards it


def open_line(url: str, most: int) -> Line:
    """Connections to an address, through the proxy that the environment names."""
    parts = urlsplit(url)
    path = url[url.index(parts.netloc) + len(parts.netloc) :]
    proxy = getproxies().get(parts.scheme)
    if proxy and parts.hostname and parts.hostname not in HERE and not proxy_bypass(parts.hostname):
        through = urllib3.ProxyManager(proxy, maxsize=most)
        return Line(through.connection_from_url(url), path if parts.scheme == "https" else url)
    return Line(urllib3.PoolManager(maxsize=most).connection_from_url(url), path)


def post(line: Line, headers: Mapping[str, str], body: bytes, seconds: float) -> Response:
    """Sends, and reads the whole reply before the time is over; nothing is sent twice or to another address."""
    until = time.monotonic() + seconds
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
    try:
        response = line.pool.urlopen(
            "POST",
            line.target,
            body=body,
            headers=headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        )
        text = _text(response, until)
    except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
        raise Unreachable(_reason(error)) from None
    except ReadTimeoutError:
        raise Slow from None
    except SSLError as error:
        raise Insecure(_reason(error)) from None
    except (HTTPError, OSError) as error:
        raise Unreachable(_reason(error)) from None
    return Response(response.status, {name.lower(): value for name, value in response.headers.items()}, text)


def _text(response: urllib3.BaseHTTPResponse, until: float) -> str:
    """Read as it comes, so that neither a drip nor a flood goes on for ever."""
    data = bytearray()
    try:
        while part := response.read1(65536):
            data += part
            if len(data) > LARGEST:
                raise Unreachable(f"the reply is larger than {LARGEST // 2**20} MiB")
            if time.monotonic() > until:
                raise Slow
    except BaseException:
        response.close()  # what is left of it must not be taken for the next reply
        raise
    response.release_conn()
    return data.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    """The innermost words, without the connection that they are about."""
    inner = getattr(error, "reason", None)
    text = str(inner if isinstance(inner, Exception) else error)
    return text.rpartition("): ")[2] or type(error).__name__

"""How many questions a second are put to an endpoint that answers in 50 ms. Prints one JSON line.

python benchmarks/asking.py [--items 10000] [--concurrency 64]

The endpoint is a process of its own on this machine. Measured is a whole `Run.map` of DILLEMA's three-in-one call:
prompts, requests, checks of the replies, and both of the files that keep them. Then the same again, and once more with
the results lost, which must ask nothing.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from counterfactory.asking.endpoint import Endpoint
from counterfactory.language.published import Published
from counterfactory.run import Run
from counterfactory.types import Failed, Passage
from counterfactory.worker import Worker

SECONDS = 0.05  # that the endpoint takes for a reply


async def serve() -> None:
    """A chat endpoint that rewrites captions; says its port, and at each GET how often it was asked."""
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while head := await reader.readline():
            length = 0
            while (line := await reader.readline()).strip():
                name, _, value = line.lower().partition(b":")
                length = int(value) if name == b"content-length" else length
            body = await reader.readexactly(length)
            if head.startswith(b"POST"):
                asked += 1
                await asyncio.sleep(SECONDS)
            data = reply(body) if head.startswith(b"POST") else str(asked).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def reply(body: bytes) -> bytes:
    """A completion with one counterfactual of the caption in the prompt."""
    number = body.partition(b"picture ")[2].partition(b" of")[0].decode()
    edit = {"kind": "colour", "old": "red", "new": "blue"}
    said = {"counterfactuals": [{"edits": [edit], "caption": f"picture {number} of a blue car on wet grass"}]}
    message = {"role": "assistant", "content": json.dumps(said)}
    return json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}).encode()


def passages(count: int) -> list[Passage]:
    return [Passage(caption=f"picture {n} of a red car on wet grass", label="car") for n in range(count)]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def asked(port: int) -> int:
    """How many requests the endpoint has had."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    return int(connection.getresponse().read())


def measure(port: int, items: int, concurrency: int) -> dict[str, float]:
    """Prompts a second, and how many requests each of two reruns made."""
    writer = Endpoint(model="bench", base_url=f"http://127.0.0.1:{port}/v1", concurrency=concurrency)
    step, given, found = Published(writer=writer, calls="together"), passages(items), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "again", "lost"):
            before, processor = asked(port), time.process_time()
            if name == "lost":
                (Path(folder) / "store.db").unlink()
            with Run(Path(folder) / name, Worker(workspace=Path(folder))) as run:
                took = seconds(lambda: run.map(step, given))
                assert not any(isinstance(result, Failed) for result in run.map(step, given))
            found[f"{name}_a_second"] = round(items / took)
            found[f"{name}_requests"] = asked(port) - before
            found[f"{name}_processor_ms"] = round(1e3 * (time.process_time() - processor) / items, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--serve", action="store_true", help="be the endpoint")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint:
        try:
            assert endpoint.stdout is not None
            found = measure(int(endpoint.stdout.readline()), given.items, given.concurrency)
        finally:
            endpoint.terminate()
    print(json.dumps({"items": given.items, "concurrency": given.concurrency, "load": os.getloadavg()[0], **found}))


if __name__ == "__main__":
    main()

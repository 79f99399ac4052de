"""How long a client waits for the first byte of a stream, and that no chunk waits for the next.

``python benchmarks/first_byte.py [--rounds N] [--server uvicorn gunicorn]`` with the test group
installed. Each server serves one stream unwrapped and wrapped in several ways, in one process on
port 0; one client asks for them in turns, over one connection. Printed are medians, in
milliseconds, of the wait for the first byte and from there to the last. Ends with status 1 where
the first byte of an unprofiled stream comes more than 1 ms after the unwrapped app's.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import interleave, machine, served

import reqprof

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

COMMANDS = {
    "uvicorn": ["uvicorn", "--fd", "{fd}", "--log-level", "error", "first_byte:asgi"],
    "gunicorn": [
        *("gunicorn", "--bind", "fd://{fd}", "--worker-class", "gthread", "--threads", "4"),
        *("--keep-alive", "30", "--log-level", "error", "first_byte:wsgi"),
    ],
}
CHUNKS = 4
GAP_SECONDS = 0.002
LATE_SECONDS = 0.001
BASE = "unwrapped"
WAYS: dict[str, dict[str, Any]] = {
    "sample=0": {"sample": 0.0},
    "not chosen": {"sample": 1e-9},
    "profiled": {},
    "builtins=False": {"builtins": False},
}
UNPROFILED = ("sample=0", "not chosen")


# What the servers import.


def wsgi_stream(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(CHUNKS):
        yield b"x" * 100
        time.sleep(GAP_SECONDS)


async def asgi_stream(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        await asyncio.sleep(GAP_SECONDS)
    await send({"type": "http.response.body", "body": b""})


def _by_path(app: Any) -> dict[str, Any]:
    folder = Path(os.environ.get("FIRST_BYTE_PROFILES", "profiles"))
    wrap = reqprof.ProfilerMiddleware
    wrapped = [wrap(app, out_dir=folder, **options) for options in WAYS.values()]
    return dict(zip(_paths().values(), [app, *wrapped], strict=True))


def _paths() -> dict[str, str]:
    """The path of each way, which must need no quoting."""
    return {way: f"/{number}" for number, way in enumerate([BASE, *WAYS])}


def _serve_wsgi() -> Any:
    apps = _by_path(wsgi_stream)
    return lambda environ, start_response: apps[environ["PATH_INFO"]](environ, start_response)


def _serve_asgi() -> Any:
    apps = _by_path(asgi_stream)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await apps[scope["path"]](scope, receive, send)

    return serve


def __getattr__(name: str) -> Any:
    if name in {"wsgi", "asgi"}:
        return _serve_wsgi() if name == "wsgi" else _serve_asgi()
    raise AttributeError(name)


# The client.


@contextmanager
def streams(server: str, folder: Path) -> Iterator[http.client.HTTPConnection]:
    """A connection to the streams, which ``server`` serves in a process of its own."""
    with served(COMMANDS[server], FIRST_BYTE_PROFILES=str(folder)) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            _wait_for(connection, process)
            yield connection
        finally:
            connection.close()


def _wait_for(connection: http.client.HTTPConnection, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ask(connection, _paths()[BASE])
        except OSError:
            connection.close()
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server does not answer")


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, float]:
    """Seconds to the first byte of the body, and from there to the last."""
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read(1)
    first = time.perf_counter()
    rest = response.read()
    assert (response.status, len(rest)) == (200, CHUNKS * 100 - 1), response.status
    return first - began, time.perf_counter() - first


def measure(connection: http.client.HTTPConnection, rounds: int) -> dict[str, tuple[float, float]]:
    """Both medians of each way."""
    to_last: dict[str, list[float]] = {way: [] for way in _paths()}

    def first_byte(way: str) -> float:
        first, last = ask(connection, _paths()[way])
        to_last[way].append(last)
        return first

    made: dict[str, Callable[[], float]] = {way: partial(first_byte, way) for way in _paths()}
    firsts = interleave(made, rounds)
    return {way: (firsts[way], sorted(to_last[way])[len(to_last[way]) // 2]) for way in made}


def report(server: str, found: dict[str, tuple[float, float]]) -> bool:
    """Whether no unprofiled stream is late."""
    print(f"\n{server:20}{'first byte':>12}{'later by':>10}{'then to the last':>18}")
    for way, (first, last) in found.items():
        late = first - found[BASE][0]
        print(f"{way:20}{first * 1e3:12.2f}{late * 1e3:10.2f}{last * 1e3:18.2f}")
    return all(found[way][0] - found[BASE][0] <= LATE_SECONDS for way in UNPROFILED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--server", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    print(f"{machine()}, {options.rounds} rounds, ms")
    in_time = True
    for server in options.server:
        folder = Path(tempfile.mkdtemp(prefix="reqprof-first-byte-"))
        try:
            with streams(server, folder) as connection:
                in_time &= report(server, measure(connection, options.rounds))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(not in_time)


if __name__ == "__main__":
    main()

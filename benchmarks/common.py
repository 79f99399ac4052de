"""What the benchmarks share: a request as a server makes it, variants in turns, a verdict."""

from __future__ import annotations

import io
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import Unavailable
from reqprof.record.engines.choose import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Measure = Callable[[], float]

HERE = Path(__file__).resolve().parent
EXAMPLES = str(HERE.parent / "examples")


def machine() -> str:
    """What the numbers are of."""
    return f"Python {platform.python_version()}, {os.cpu_count()} cores"


def interleave(variants: Mapping[str, Measure], rounds: int, warm_up: int = 3) -> dict[str, float]:
    """The median of what each variant measures, all of them once a round, in random order."""
    seen: dict[str, list[float]] = {name: [] for name in variants}
    order = list(variants)
    for turn in range(warm_up + rounds):
        random.shuffle(order)
        for name in order:
            found = variants[name]()
            if turn >= warm_up:
                seen[name].append(found)
    return {name: statistics.median(found) for name, found in seen.items()}


def engines() -> list[str]:
    """Those that can record here."""
    found = []
    for name in ("cprofile", "exact"):
        with suppress(Unavailable):
            found.append(engine(name, builtins=True, clock="wall").name)
    return found


def verdict(what: str, ratio: float, limit: float, *, least: bool = False) -> str:
    """A line that says whether a number that is to hold does."""
    met = ratio >= limit if least else ratio <= limit
    bound = f"at {'least' if least else 'most'} {limit:g}"
    return f"  {what:70}{ratio:6.2f}   {bound:14}{'met' if met else 'NOT MET'}"


@contextmanager
def served(
    command: Sequence[str], *, quiet: bool = False, **environ: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process and the port of a server of these benchmarks' modules, as it starts.

    In ``command`` ``{fd}`` is the socket that it is to take. A ``quiet`` one says nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # What the servers accept inherits it; uvicorn does not set it on a socket that it is given.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(fd=listener.fileno()) for part in command)],
            env={**os.environ, "PYTHONPATH": path, **environ},
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL if quiet else None,
        )
        port = listener.getsockname()[1]
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def get_wsgi(app: Any, path: str) -> None:
    """One request, as a server would make it."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    body = app(environ, lambda status, headers, exc_info=None: lambda chunk: None)
    for _ in body:
        pass
    getattr(body, "close", lambda: None)()


async def get_asgi(app: Any, path: str) -> None:
    """One request, as a server would make it."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None: ...

    await app(http_scope(path), receive, send)


def http_scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "state": {},
    }

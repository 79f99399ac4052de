"""Real servers on port 0, each in a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import need_module

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
ENDS_WITHIN = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    """How one server is run: the arguments of ``python -m``, with places for socket and app."""

    command: tuple[str, ...]
    needs: tuple[str, ...]  # packages
    end: signal.Signals = signal.SIGTERM


def _gunicorn(*options: str, needs: tuple[str, ...] = ()) -> Server:
    shared = ("gunicorn", "--bind", "fd://{fd}", "--log-level", "error")
    return Server((*shared, *options, "{app}"), ("gunicorn", *needs))


def _uvicorn(loop: str, *needs: str, end: signal.Signals = signal.SIGTERM) -> Server:
    command = ("uvicorn", "--fd", "{fd}", "--log-level", "error", "--loop", loop, "{app}")
    return Server(command, ("uvicorn", *needs), end)


def _hypercorn(worker: str, *needs: str) -> Server:
    command = ("hypercorn", "--bind", "fd://{fd}", "--log-level", "error", "-k", worker, "{app}")
    return Server(command, ("hypercorn", *needs))


SERVERS = {
    "waitress": Server(
        ("tests.servers.waitress_runner", "{fd}", "{app}"), ("waitress",), signal.SIGINT
    ),
    "gunicorn": _gunicorn("--worker-class", "gthread", "--threads", "8"),
    "gunicorn-sync": _gunicorn("--worker-class", "sync", "--workers", "2"),
    # Now and then its gevent worker does not heed SIGTERM, profiled or not; gunicorn kills it then.
    "gunicorn-gevent": _gunicorn(
        *("--worker-class", "gevent", "--graceful-timeout", "5"), needs=("gevent",)
    ),
    "uvicorn": _uvicorn("asyncio"),
    "uvicorn-uvloop": _uvicorn("uvloop", "uvloop"),
    # SIGTERM ends uvicorn before an app without a lifespan has written its last profiles.
    "uvicorn-sigint": _uvicorn("asyncio", end=signal.SIGINT),
    "hypercorn": _hypercorn("asyncio"),
    "hypercorn-trio": _hypercorn("trio", "trio"),
}


@contextmanager
def served(
    server: str,
    app: str,
    *options: str,
    environ: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> Iterator[tuple[str, int]]:
    """Host and port of ``app`` while ``server`` serves it; ends the server gently."""
    how = SERVERS[server]
    for package in how.needs:
        need_module(package)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
        values = {"fd": str(listener.fileno()), "app": app}
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(**values) for part in how.command), *options],
            cwd=folder,
            env={**os.environ, **(environ or {}), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            pass_fds=[listener.fileno()],
            process_group=0,
        )
    try:
        _wait_for(address, process)
        yield address
    finally:
        _end(process, how.end)


def _end(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    """End a server as its user would; and at once, workers and all, where it does not."""
    process.send_signal(by)
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def _wait_for(address: tuple[str, int], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            connection = http.client.HTTPConnection(*address, timeout=30)
            connection.request("GET", "/ready")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not answer")

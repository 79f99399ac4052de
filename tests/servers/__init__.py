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
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import need_module

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent

COMMANDS = {
    "waitress": ["tests.servers.waitress_runner", "{fd}", "{app}"],
    "gunicorn": [
        *("gunicorn", "--bind", "fd://{fd}", "--worker-class", "gthread"),
        *("--threads", "8", "--log-level", "error", "{app}"),
    ],
    "uvicorn": ["uvicorn", "--fd", "{fd}", "--log-level", "error", "{app}"],
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
    need_module(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
        values = {"fd": str(listener.fileno()), "app": app}
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(**values) for part in COMMANDS[server]), *options],
            cwd=folder,
            env={**os.environ, **(environ or {}), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            pass_fds=[listener.fileno()],
        )
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGINT if server == "waitress" else signal.SIGTERM)
        process.wait(30)


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

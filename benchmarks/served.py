"""What timing, the watch and sampling cost a real server, by the system's own account.

``python benchmarks/served.py [--rounds N] [--server gunicorn uvicorn] [--requests N]`` with the
dependency group benchmarks installed. Each way to wrap an app is served by a process of its own,
gunicorn's with eight threads or uvicorn's, on port 0. Clients, eight at a time, send each server
some hundred requests in its turn, then all wait for a second in which the server tallies them. What
the process has used meanwhile, all of its threads and children, is read from ``/proc/PID/stat``.
Printed are the ratios to the unwrapped app, of the medians of all turns and of their sums;
*unwrapped, again* shows how far two equal servers differ.

*Recommended* is what ``docs/production.md`` begins with.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import EXAMPLES, machine, served, verdict

import reqprof

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

COMMANDS = {
    "gunicorn": [
        *("gunicorn", "--bind", "fd://{fd}", "--worker-class", "gthread", "--threads", "8"),
        *("--keep-alive", "60", "--log-level", "error", "served:wsgi"),
    ],
    "uvicorn": [
        *("uvicorn", "--fd", "{fd}", "--timeout-keep-alive", "60", "--log-level", "error"),
        "served:asgi",
    ],
}
CLIENTS = 8
TALLY_SECONDS = 1.1
BASE, TIMED, WATCHED = "unwrapped", "timing only", "timing and watch"
WAYS: dict[str, dict[str, Any] | None] = {
    BASE: None,
    "unwrapped, again": None,
    TIMED: {"sample": 0.0},
    WATCHED: {"sample": 0.0, "watch_after": "200ms"},
    "sample=0.01": {"sample": 0.01, "builtins": False},
    "recommended": {
        "sample": 0.05,
        "budget": 0.02,
        "builtins": False,
        "slower_than": "500ms",
        "baseline": 0.05,
        "watch_after": "500ms",
        "max_duration": 25,
        "trigger": "a secret of no importance",
        "max_bytes": 500_000_000,
    },
}
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


# What the servers import.


def _wrapped(app: Any) -> Any:
    options = json.loads(os.environ["SERVED_OPTIONS"])
    if options is None:
        return app
    return reqprof.ProfilerMiddleware(app, out_dir=os.environ["SERVED_PROFILES"], **options)


def __getattr__(name: str) -> Any:
    if name not in {"wsgi", "asgi"}:
        raise AttributeError(name)
    sys.path.insert(0, EXAMPLES)
    if name == "wsgi":
        from flask_app.views import create_app as flask_app

        app = flask_app()
        app.wsgi_app = _wrapped(app.wsgi_app)
        return app
    from starlette_app.views import create_app as starlette_app

    return _wrapped(starlette_app())


# In the process that measures.


@dataclass
class Server:
    """One process that serves, and the CPU seconds of each turn."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path  # of its profiles
    turns: list[float] = field(default_factory=list)

    def cpu(self) -> float:
        """CPU seconds of it and its children so far."""
        seconds = 0.0
        for pid in [self.process.pid, *_children(self.process.pid)]:
            text = Path(f"/proc/{pid}/stat").read_text()
            user, system = text.rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(system)) / _TICK
        return seconds

    def serve(self, requests: int) -> None:
        """So many requests, by all clients at once."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._some, [requests // CLIENTS] * CLIENTS))

    def turn(self, requests: int) -> None:
        """One turn, tallied."""
        before = self.cpu()
        self.serve(requests)
        time.sleep(TALLY_SECONDS)
        self.turns.append(self.cpu() - before)

    def _some(self, requests: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(requests):
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status
        connection.close()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def started(stack: ExitStack, name: str, options: dict[str, Any] | None) -> Server:
    """The server, once it answers."""
    folder = tempfile.mkdtemp(prefix="reqprof-served-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    # With other hashes the same code takes another time.
    environ = {"SERVED_OPTIONS": json.dumps(options), "SERVED_PROFILES": folder}
    environ["PYTHONHASHSEED"] = "0"
    process, port = stack.enter_context(served(COMMANDS[name], **environ))
    server = Server(process, port, Path(folder))
    server.serve(CLIENTS)
    return server


def measure(name: str, ways: Iterable[str], rounds: int, requests: int) -> dict[str, list[float]]:
    """By way: the CPU seconds of each turn."""
    with ExitStack() as stack:
        servers = {way: started(stack, name, WAYS[way]) for way in ways}
        for server in servers.values():
            server.serve(8 * requests)  # which also lets a budget find its rate
        order = list(servers.values())
        for _ in range(rounds):
            random.shuffle(order)
            for server in order:
                server.turn(requests)
    return {way: server.turns for way, server in servers.items()}


def report(name: str, found: dict[str, list[float]], requests: int) -> dict[str, float]:
    """A table of ratios; returns those of the medians."""
    medians = {way: statistics.median(turns) for way, turns in found.items()}
    print(f"\n{name}: unwrapped {medians[BASE] / requests * 1e3:.2f} ms of CPU for a request")
    print(f"{'':24}{'/ unwrapped':>12}{'of sums':>10}")
    for way, turns in found.items():
        sums = sum(turns) / sum(found[BASE])
        print(f"{way:24}{medians[way] / medians[BASE]:12.3f}{sums:10.3f}", flush=True)
    return {way: median / medians[BASE] for way, median in medians.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--requests", type=int, default=800, help="of one turn")
    parser.add_argument("--server", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--watch", action="store_true", help="what the watch costs, no more")
    options = parser.parse_args()
    ways = list(WAYS)[:4] if options.watch else list(WAYS)
    print(f"{machine()}, {options.rounds} rounds of {options.requests} requests")
    lines = []
    for name in options.server:
        ratios = report(
            name, measure(name, ways, options.rounds, options.requests), options.requests
        )
        watch = ratios[WATCHED] / ratios[TIMED]
        lines.append(verdict(f"{name}: the watch beside timing only", watch, 1.01))
    print("\nnumbers to hold", *lines, sep="\n")


if __name__ == "__main__":
    main()

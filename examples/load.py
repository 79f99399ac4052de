"""Sends a list of requests to a running service from several clients at once.

The traffic scripts of both examples are built on it. Needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send, and the status that a healthy service answers."""

    method: str
    path: str
    status: int = 200
    body: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: the status it got, or the error when there was no answer."""

    request: Request
    status: int | None = None
    error: str = ""

    @property
    def expected(self) -> bool:
        return self.status == self.request.status

    def __str__(self) -> str:
        got = self.error or f"status {self.status}"
        return f"{self.request}: {got}, expected {self.request.status}"


Send = Callable[[str, Request], int]
Maker = Callable[[random.Random], Request]
Plan = Callable[[int, int], list[Request]]


def mix(makers: Mapping[Maker, int], seed: int, count: int) -> list[Request]:
    """Return `count` requests in random order, the same ones for the same seed.

    One of each kind comes first, as far as `count` goes; the rest is drawn by the kinds' weights.
    """
    rng = random.Random(seed)
    kinds = list(makers)[:count]
    kinds += rng.choices(list(makers), weights=list(makers.values()), k=count - len(kinds))
    rng.shuffle(kinds)
    return [make(rng) for make in kinds]


def send_http(base: str, request: Request) -> int:
    """Send one request to the service at `base`, read the whole body and return the status."""
    address = urlsplit(base)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
    headers = {"Content-Type": "application/json"} if request.body is not None else {}
    try:
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def run(
    base: str, requests: Sequence[Request], clients: int, send: Send = send_http
) -> list[Outcome]:
    """Send the requests in order, `clients` of them at a time, and return their outcomes."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(partial(_attempt, send, base), requests))


def _attempt(send: Send, base: str, request: Request) -> Outcome:
    try:
        return Outcome(request, status=send(base, request))
    except (OSError, HTTPException) as error:
        return Outcome(request, error=repr(error))


def main(plan: Plan, send: Send = send_http, argv: Sequence[str] | None = None) -> int:
    """Run a traffic script: `plan(seed, count)` makes its requests. Returns the exit status.

    Prints one summary line. Whatever was not as expected goes to stderr, and the status is then 1.
    """
    options = _parser().parse_args(argv)
    requests = plan(options.seed, options.requests)
    start = time.perf_counter()
    outcomes = run(options.base.rstrip("/"), requests, options.clients, send)
    print(_summary(outcomes, time.perf_counter() - start))
    unexpected = [outcome for outcome in outcomes if not outcome.expected]
    for outcome in unexpected:
        print(f"unexpected: {outcome}", file=sys.stderr)
    return 1 if unexpected else 0


def _summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    counts = Counter(str(outcome.status or "no answer") for outcome in outcomes)
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(counts.items()))
    return f"{len(outcomes)} requests in {seconds:.2f} s: {statuses}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Send a repeatable mix of requests to a service.")
    parser.add_argument("base", help="where it listens, such as http://127.0.0.1:8000")
    parser.add_argument("--requests", type=_positive, default=200, help="how many (default 200)")
    parser.add_argument("--clients", type=_positive, default=8, help="at a time (default 8)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another mix (default 1)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number

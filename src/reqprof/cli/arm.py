"""Have running processes profile the next requests like this, and list them.

DIR is the folder that the middleware writes to ("profiles" if not given). Every process that
writes there is asked, without a restart, and notices within a second: so many requests are profiled
in all, whatever the middleware's other options say. The command lists them as they come and ends
when all have, with exit status 3 when the time is over before. Ctrl-C takes back what has not come.

A request is taken when it has ended: with --slower-than, only if it was slow. Until then each one
that may be of the route is recorded, which slows it down; what turns out to be another leaves
nothing.

--json prints one JSON array, at the end, with all facts of the requests that were taken and the
files of their profiles; times are in seconds.
"""

from __future__ import annotations

import secrets
import signal
import sys
import time
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click

from reqprof.cli.asking import folder_argument, prepare, processes, tell_of_processes, writing
from reqprof.cli.coming import Coming, Listing
from reqprof.cli.ending import INTERRUPTED
from reqprof.cli.params import format_duration, parsed
from reqprof.cli.request import facts
from reqprof.cli.select import bare_route
from reqprof.cli.talk import emit_json, flush, plural, say
from reqprof.cli.traffic import Traffic
from reqprof.durations import parse_duration
from reqprof.errors import NotFound, UsageError
from reqprof.paths import fits, is_of, matcher
from reqprof.store import control, orders
from reqprof.store.control import MAX_ROUTE, METHOD, MOST_REQUESTS, Order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY: Final = 0.2
"""Seconds between two looks at what has come."""

_LAST = 5.0  # seconds


@click.command(help=__doc__)
@folder_argument
@click.option(
    "--next",
    "number",
    type=click.IntRange(1, MOST_REQUESTS),
    metavar="N",
    default=1,
    show_default=True,
    help="How many, over all processes.",
)
@click.option(
    "--route",
    metavar="ROUTE",
    callback=parsed(bare_route),
    help="A route template as `reqprof slowest` names it, or a path; * ? [..] are globs,"
    " * crosses slashes too. Of any route unless given.",
)
@click.option("--method", metavar="METHOD", callback=parsed(str.upper), help="GET, post, ...")
@click.option(
    "--slower-than",
    metavar="DURATION",
    callback=parsed(parse_duration),
    help="Only those that took longer: 250ms, 1.5s, 2m; a plain number is seconds.",
)
@click.option(
    "--for",
    "seconds",
    metavar="DURATION",
    default="10m",
    show_default=True,
    callback=parsed(parse_duration),
    help="How long to wait for them: 90s, 10m, 2h.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of a table.")
def command(
    folder: Path,
    number: int,
    route: str | None,
    method: str | None,
    slower_than: float | None,
    seconds: float,
    as_json: bool,
) -> int:
    """Ask for them and wait; gives the exit status."""
    _check(route, method)
    prepare(folder)
    order = Order(
        id=secrets.token_hex(6),
        number=number,
        until=time.time() + seconds,
        route=route,
        method=method,
        slower_than=slower_than,
    )
    coming = Coming(folder, order)
    listing = None if as_json else Listing(folder)
    try:
        is_over = _ask(folder, order, seconds, coming, listing)
        orders.withdraw(folder, order)
        _list_rest(coming, listing)
    finally:
        orders.withdraw(folder, order)
        orders.sweep(folder, time.time())
    if as_json:
        emit_json([{"file": str(folder / one.file), **facts(one.request)} for one in coming.taken])
    if not is_over:
        say(f"taken back: {_came(coming, order)}")
        return INTERRUPTED
    if len(coming.taken) < number:
        raise NotFound(f"{format_duration(seconds)} are over: {_came(coming, order)}")
    return 0


def _ask(
    folder: Path, order: Order, seconds: float, coming: Coming, listing: Listing | None
) -> bool:
    """Ask, and list what comes until all is there or the time is over; False after Ctrl-C."""
    try:
        with _ends_like_ctrl_c():
            with writing(folder):
                orders.place(folder, order)
            _tell(folder, order, seconds)
            while True:
                _list(coming, listing)
                if len(coming.taken) == order.number or time.time() > order.until:
                    return True
                time.sleep(EVERY)
    except KeyboardInterrupt:
        if sys.stderr is not None and sys.stderr.isatty():
            say("")  # after the ^C
        return False


@contextmanager
def _ends_like_ctrl_c() -> Iterator[None]:
    """What ends a command from outside, such as timeout(1), takes the order back too."""
    mine = [
        number
        for name in ("SIGTERM", "SIGHUP")
        if (number := getattr(signal, name, None)) is not None
        and signal.getsignal(number) is signal.SIG_DFL  # under nohup it is ignored, and stays so
    ]
    for number in mine:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _list(coming: Coming, listing: Listing | None) -> None:
    for taken in coming.new():
        if listing is not None:
            listing.add(taken)
    flush()


def _list_rest(coming: Coming, listing: Listing | None) -> None:
    """What was taken in time, and is perhaps still being stored."""
    deadline = time.time() + _LAST
    _list(coming, listing)
    while coming.pending and time.time() < deadline:
        time.sleep(EVERY)
        _list(coming, listing)


def _check(route: str | None, method: str | None) -> None:
    """Raises UsageError for what no request can be."""
    try:
        if route is not None:
            matcher(route)
        if route is not None and len(route) > MAX_ROUTE:
            raise ValueError(f"a route has at most {MAX_ROUTE} characters")
    except ValueError as error:
        raise UsageError(f"--route: {error}") from None
    if method is not None and not METHOD.fullmatch(method):
        raise UsageError(f"--method: {method!r:.40} is no method; write GET or post")


def _tell(folder: Path, order: Order, seconds: float) -> None:
    """Say on stderr what was asked of whom, and what may be amiss."""
    alive = tell_of_processes(folder)
    if control.read(str(folder / control.FOLDER)).paused_until:
        say(f"{folder} is paused: nothing comes before: reqprof resume {folder}")
    if order.route is not None:
        _tell_of_routes(folder, order.route)
    requests = "request" if order.number == 1 else f"{order.number:,} requests"
    asked = f"asked {processes(alive)} for the next {requests}{_like(order)}"
    say(f"{asked}, within {format_duration(seconds)}; Ctrl-C takes it back")


def _tell_of_routes(folder: Path, wanted: str) -> None:
    """Name routes that may be meant where no request so far was of the one that is wanted."""
    known = {
        series.route
        for window in Traffic.of(folder).windows
        for series in window.tallies
        if series.route is not None
    }
    may_be_path = not set("{<(") & set(wanted)
    if not known or any(
        fits(route, wanted) or (may_be_path and is_of(route, wanted)) for route in known
    ):
        return
    near = get_close_matches(wanted, known, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    say(f"no request of {folder} was of the route {wanted} so far{hint}")


def _like(order: Order) -> str:
    name = " ".join(filter(None, (order.method, order.route)))
    slow = f" slower than {format_duration(order.slower_than)}" if order.slower_than else ""
    return (f" of {name}" if name else "") + slow


def _came(coming: Coming, order: Order) -> str:
    number = len(coming.taken)
    return f"{number} of {plural(order.number, 'request')} came" if number else "none came"

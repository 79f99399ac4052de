"""What a person asks of the processes that write to a folder: small files, each written whole.

They lie in a folder of their own, whose time of change tells whether there is anything new. Whoever
may write there may ask. ``docs/format.md`` describes the files.
"""

from __future__ import annotations

import math
import os
import re
import stat
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeGuard

from reqprof.store import index
from reqprof.store.facts import MAX_MOMENT, load_line

FOLDER: Final = os.path.join(index.FOLDER, "control")  # noqa: PTH118

MOST_REQUESTS: Final = 1000
"""That one order may ask for."""

MOST_ORDERS: Final = 100
MAX_ROUTE: Final = 1000
"""Characters."""

PAUSE: Final = "pause"
ORDER: Final = re.compile(r"([0-9a-f]{12})\.order")
CLAIM: Final = re.compile(r"([0-9a-f]{12})\.([1-9][0-9]{0,3})")
"""Names of files: of an order, and of one of the requests that it has had."""

METHOD: Final = re.compile(r"[A-Z]{1,64}")

_MAX_SIZE = 1 << 14
_MOST_NAMES = 10_000

# Opening must not wait for the other end of a pipe, nor take a terminal.
_FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _name, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The next ``number`` requests that are like this are to be profiled."""

    id: str  # 12 hex digits
    number: int
    until: float  # seconds since 1970; then it is void
    route: str | None = None  # a template, a path or a glob
    method: str | None = None  # in capitals
    slower_than: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """All that is asked. ``taken`` says how many of its requests each order has had, by its id.

    ``paused_until`` is in seconds since 1970, infinite where nobody has said, 0 where it is not
    paused. ``refused`` has the names of files that make no sense, and why.
    """

    paused_until: float = 0.0
    orders: tuple[Order, ...] = ()
    taken: dict[str, int] = field(default_factory=dict)
    refused: tuple[tuple[str, str], ...] = ()


def stamp(folder: str) -> tuple[int, ...] | None:
    """What changes whenever something else is asked; None where nothing ever was. One stat."""
    try:
        found = os.stat(folder, follow_symlinks=False)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_mode


def read(folder: str) -> Asked:
    """What is asked in the folder of the control files; raises nothing."""
    try:
        names = _names(folder)
    except OSError as error:
        return Asked(refused=((os.path.basename(folder), str(error)),))  # noqa: PTH119
    paused_until, refused = 0.0, []
    orders: list[Order] = []
    taken: dict[str, int] = {}
    for name in names:
        try:
            if name == PAUSE:
                paused_until = _pause(_contents(folder, name))
            elif found := ORDER.fullmatch(name):
                if len(orders) >= MOST_ORDERS:
                    raise ValueError(f"more than {MOST_ORDERS} orders")
                orders.append(_order(found[1], _contents(folder, name)))
            elif found := CLAIM.fullmatch(name):
                taken[found[1]] = taken.get(found[1], 0) + 1
        except FileNotFoundError:
            continue  # taken back since the folder was listed
        except (OSError, ValueError) as error:
            refused.append((name, str(error)))
    return Asked(paused_until, tuple(orders), taken, tuple(refused))


def _names(folder: str) -> list[str]:
    refuse_links(folder)
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _MOST_NAMES))
    except FileNotFoundError:
        return []  # nothing was ever asked


def refuse_links(folder: str) -> None:
    """Raises OSError where the folder of the control files, or the one above, is a link."""
    # In a folder that is not ours alone, such as /tmp, it could lead anywhere.
    for path in (os.path.dirname(folder), folder):  # noqa: PTH120
        if os.path.islink(path):  # noqa: PTH114
            raise NotADirectoryError(f"{path} is a symbolic link; reqprof follows none")


def _contents(folder: str, name: str) -> bytes:
    """The bytes of a small regular file, whatever has that name; raises OSError or ValueError."""
    descriptor = os.open(os.path.join(folder, name), _FLAGS)  # noqa: PTH118
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        data = os.read(descriptor, _MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_SIZE:
        raise ValueError(f"larger than {_MAX_SIZE} bytes")
    return data


def _pause(data: bytes) -> float:
    until = load_line(data).get("until", "nothing")
    return math.inf if until is None else _number("until", until, MAX_MOMENT)


def _order(id_: str, data: bytes) -> Order:
    """The order in a file; raises ValueError for what is none."""
    facts = load_line(data)
    route, method = facts.get("route"), facts.get("method")
    if route is not None and not _is_route(route):
        raise ValueError(f"route = {route!r:.40} matches no path")
    if method is not None and (type(method) is not str or not METHOD.fullmatch(method)):
        raise ValueError(f"method = {method!r:.40}")
    number = facts.get("number")
    if type(number) is not int or not 1 <= number <= MOST_REQUESTS:
        raise ValueError(f"number = {number!r:.40}")
    slower_than = facts.get("slower_than")
    return Order(
        id=id_,
        number=number,
        until=_number("until", facts.get("until"), MAX_MOMENT),
        route=route,
        method=method,
        slower_than=None if slower_than is None else _number("slower_than", slower_than, 1e9),
    )


def _is_route(value: object) -> TypeGuard[str]:
    return type(value) is str and len(value) <= MAX_ROUTE and value.startswith(("/", "*"))


def _number(name: str, value: object, most: float) -> float:
    if type(value) not in (int, float) or not 0 <= value <= most:  # type: ignore[operator]
        raise ValueError(f"{name} = {value!r:.40}")
    return float(value)  # type: ignore[arg-type]

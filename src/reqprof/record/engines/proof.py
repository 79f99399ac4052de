"""Whether a kind of session counts right on this Python: tried out at start."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from reqprof.record.engines import NO_ENGINE, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.engines.session import LaneSession

_FILE = "<reqprof self-test>"
_SELF_TEST = """
def leaf(): pass
def calls_python(n):
    for _ in range(n): leaf()
def calls_c(n, c=len, of=()):
    for _ in range(n): c(of)
def elsewhere(n):
    for _ in range(n): pass
"""


@cache
def prove(kind: Callable[..., LaneSession]) -> None:
    """Raises :exc:`Unavailable` where the kind does not count right here."""
    code: dict[str, Callable[[int], None]] = {}
    exec(compile(_SELF_TEST, _FILE, "exec"), code)  # noqa: S102
    try:
        _try_out(kind, code)
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(NO_ENGINE, f"the engine's self-test failed: {error!r}") from error


def _try_out(kind: Callable[..., LaneSession], code: dict[str, Callable[[int], None]]) -> None:
    """Two threads record at once; raises where a count is off or one sees the other's work."""

    def record_elsewhere() -> None:
        other.update(_record(kind, code["elsewhere"]))

    def beside(calls: int) -> None:
        thread = threading.Thread(target=record_elsewhere)
        thread.start()
        code["calls_python"](calls)
        code["calls_c"](calls)
        thread.join()

    other: dict[str, int] = {}
    here = _record(kind, beside)
    expected = {"leaf": 7, "calls_python": 1, "calls_c": 1, "elsewhere": 0}
    found = {name: here.get(name, 0) for name in expected}
    if found != expected or other != {"elsewhere": 1}:
        raise Unavailable(
            NO_ENGINE,
            f"the engine's self-test failed on this Python: it counted {found} and {other}",
        )


def _record(kind: Callable[..., LaneSession], work: Callable[[int], None]) -> dict[str, int]:
    """The calls of the self-test's functions in this thread."""
    session = kind(builtins=True, clock="wall")
    stretch = session.enter()
    work(7)
    session.leave(stretch)
    session.close()
    if session.fault is not None:
        raise session.fault
    return {name: row[1] for (file, _, name), row in session.finish().items() if file == _FILE}

"""Print each profile to a stream, as werkzeug's middleware does."""

from __future__ import annotations

import pstats
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from reqprof.model import Request, Stats

_RULE = "-" * 80


class Printer:
    """Prints pstats' report of each profile to ``stream``, under the request's path.

    ``sort_by`` goes to ``pstats.Stats.sort_stats``, ``restrictions`` to ``print_stats``. Raises
    TypeError or ValueError where they cannot.
    """

    def __init__(
        self,
        stream: TextIO,
        sort_by: Iterable[str],
        restrictions: Iterable[str | int | float],
    ) -> None:
        if not callable(getattr(stream, "write", None)):
            raise TypeError(f"stream is a text file to print to, or None; got {stream!r}")
        self._stream = stream
        self._sort_by = _several("sort_by", sort_by)
        self._restrictions = _several("restrictions", restrictions)
        known = pstats.Stats().get_sort_arg_defs()
        for key in self._sort_by:
            if key not in known:
                raise ValueError(
                    f"sort_by: {key!r} is no key of pstats; it knows {', '.join(known)}"
                )

    def __call__(self, stats: Stats, request: Request) -> None:
        dumped: Any = _Dumped(stats)
        report = pstats.Stats(dumped, stream=self._stream)
        report.sort_stats(*self._sort_by)
        where = request.route if request.path is None else request.path
        print(_RULE, f"PATH: {where!r}", sep="\n", file=self._stream)
        report.print_stats(*self._restrictions)
        print(_RULE, "\n", sep="", file=self._stream)


def _several(name: str, given: Any) -> tuple[Any, ...]:
    # A text is a sequence too, of its letters: nobody means those.
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise TypeError(f"{name} is a sequence, such as ({given!r},); got {given!r}")
    return tuple(given)


class _Dumped:
    """What pstats takes for a profiler."""

    def __init__(self, stats: Stats) -> None:
        self.stats = stats

    def create_stats(self) -> None:
        """The stats are there already."""

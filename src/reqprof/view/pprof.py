"""The format of pprof, for ``go tool pprof`` and the servers that take it: gzip'd protobuf.

Described in ``proto/profile.proto`` of github.com/google/pprof; the field numbers are from there.
"""

from __future__ import annotations

import gzip
from enum import IntEnum
from io import BytesIO
from math import inf
from typing import TYPE_CHECKING

from reqprof.tree.node import ROOT, Node
from reqprof.tree.prune import prune
from reqprof.view import names, words
from reqprof.view.protobuf import field, number, varint
from reqprof.view.trust import trust
from reqprof.view.whole import apportion, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reqprof.model import Function, Request

# Nine bytes a sample. go tool pprof takes 25 µs for each: seconds for as many as this.
_MOST_SAMPLES = 300_000
_MOST_FRAMES = 2000
_FEWEST_FRAMES = 50
_DEEPEST = 200

_LAST = 9.2e9  # seconds since 1970, the year 2261: nanoseconds must fit into 63 bits

_PROGRAM = "python"
"""pprof misses the name of a program; all symbols are here, so it looks for none in it."""

_MERGED = "… stands for callees too small or too deep to tell apart."


class _Profile(IntEnum):
    SAMPLE_TYPE = 1
    SAMPLE = 2
    MAPPING = 3
    LOCATION = 4
    FUNCTION = 5
    STRING = 6
    TIME = 9
    DURATION = 10
    COMMENT = 13
    DEFAULT_SAMPLE_TYPE = 14


class _ValueType(IntEnum):
    TYPE = 1
    UNIT = 2


class _Sample(IntEnum):
    LOCATION = 1
    VALUE = 2
    LABEL = 3


class _Label(IntEnum):
    KEY = 1
    STRING = 2
    NUMBER = 3


class _Mapping(IntEnum):
    ID = 1
    FILE = 5
    HAS_FUNCTIONS = 7
    HAS_FILES = 8
    HAS_LINES = 9


class _Location(IntEnum):
    ID = 1
    MAPPING = 2
    LINE = 4


class _Line(IntEnum):
    FUNCTION = 1
    LINE = 2


class _Function(IntEnum):
    ID = 1
    NAME = 2
    FILE = 4
    START = 5


def render(
    requests: Iterable[tuple[Request | None, Node]],
    *,
    comments: Callable[[], Sequence[str]] = tuple,
    count: int = 1,
) -> bytes:
    """A file with the frames of each request as samples of ``calls`` and ``time`` (nanoseconds).

    Where the requests were sampled, ``samples`` are in the place of calls: how often each stack was
    seen.

    Each sample has its request's labels: ``route``, ``method``, ``request`` (the id) and, as a
    number, which ``-tagfocus=status=500:599`` wants, ``status``. ``comments`` is asked for when
    all requests have passed; what it gives goes into the file with a sentence on how far the
    stacks can be trusted. The file's time is the start of the first request, its duration ends
    with the last.

    A request's times and calls are rounded so that they add up to its own, rounded: calls that
    were counted stay as they are, those that are estimates become one of their neighbours.

    Of each request there are the widest frames, the others being merged into ``…`` and calls
    deeper in what was merged left out: 2,000 of them, fewer from 150 requests on, and 50 at least.
    ``count`` says about how many requests there are. They are taken one at a time; what is kept
    of them is the compressed output and the names of functions and routes.
    """
    most = max(_FEWEST_FRAMES, min(_MOST_FRAMES, _MOST_SAMPLES // max(1, count)))
    out = _Writer()
    seen = _Seen()
    for request, tree in requests:
        seen.add(request, tree)
        shown = prune(tree, max_frames=most, max_depth=_DEEPEST)
        out.samples(shown, b"".join(out.labels(request)) if request else b"")
    return out.finish(seen, [*comments(), *seen.remarks(out.merged)])


class _Seen:
    """What can be said of all requests when they have passed."""

    def __init__(self) -> None:
        self.start = inf
        self.end = 0.0
        self._sum = Node(ROOT)

    def add(self, request: Request | None, tree: Node) -> None:
        if request and request.start > 0:
            self.start = min(self.start, request.start)
            self.end = max(self.end, request.start + max(request.total, request.duration))
        self._sum.total += tree.total
        self._sum.sampled = self._sum.sampled or tree.sampled
        for _, node in tree.walk():
            self._sum.exact = self._sum.exact and node.exact
            self._sum.guessed += 0.0 if node.exact else node.guessed

    @property
    def noun(self) -> str:
        """What is counted."""
        return words.noun(self._sum)

    def remarks(self, merged: bool) -> Iterator[str]:
        yield trust(self._sum)
        if merged:
            yield _MERGED


class _Writer:
    """A profile in the making. A string, function or location is written when it first occurs.

    The fields of a protobuf message may come in any order, and only those that repeat are in the
    order of their own kind; so no table has to wait for the end.
    """

    def __init__(self) -> None:
        self._bytes = BytesIO()
        self._stream = gzip.GzipFile(fileobj=self._bytes, mode="wb", compresslevel=6, mtime=0)
        self._strings = 0
        self._known: dict[str, int] = {}
        self._locations: dict[Function, bytes] = {}
        self.merged = False
        self._string("")
        self._message(
            _Profile.MAPPING,
            number(_Mapping.ID, 1),
            number(_Mapping.FILE, self._name(_PROGRAM)),
            *(
                number(has, 1)
                for has in (_Mapping.HAS_FUNCTIONS, _Mapping.HAS_FILES, _Mapping.HAS_LINES)
            ),
        )
        self._stream.write(number(_Profile.DEFAULT_SAMPLE_TYPE, self._name("time")))

    def samples(self, tree: Node, labels: bytes) -> None:
        """Write the frames of one request that were called or took time."""
        nodes = list(tree.walk())
        estimates = [node.counted if depth else 0 for depth, node in nodes]
        calls = apportion(estimates, round(sum(estimates)))
        times = nanoseconds([node.self_time for _, node in nodes])
        stacks = [b""]  # of the frames that are open, each with the innermost first
        out = bytearray()
        for (depth, node), count, time in zip(nodes, calls, times, strict=True):
            if depth:
                stacks[depth:] = [self._location(node.function) + stacks[depth - 1]]
            if count or time:
                stack = stacks[depth] or self._location(node.function)
                values = varint(count) + varint(time)
                out += field(
                    _Profile.SAMPLE,
                    field(_Sample.LOCATION, stack) + field(_Sample.VALUE, values) + labels,
                )
            self.merged = self.merged or node.is_rest
        self._stream.write(out)

    def labels(self, request: Request) -> Iterator[bytes]:
        """The labels of a request as fields of a sample; what is not known has none."""
        for key, value in (("route", request.route), ("method", request.method)):
            if value:
                yield self._label(key, number(_Label.STRING, self._name(value)))
        if request.status is not None:
            yield self._label("status", number(_Label.NUMBER, request.status))
        # An id does not come again, so it need not be remembered.
        yield self._label("request", number(_Label.STRING, self._string(request.id)))

    def finish(self, seen: _Seen, comments: Iterable[str]) -> bytes:
        """Write what is said of the whole; gives the file."""
        for kind, unit in ((f"{seen.noun}s", "count"), ("time", "nanoseconds")):
            self._message(
                _Profile.SAMPLE_TYPE,
                number(_ValueType.TYPE, self._name(kind)),
                number(_ValueType.UNIT, self._name(unit)),
            )
        for comment in comments:
            self._stream.write(number(_Profile.COMMENT, self._string(comment)))
        if seen.start < inf:
            start, end = (round(min(moment, _LAST) * 1e9) for moment in (seen.start, seen.end))
            self._stream.write(number(_Profile.TIME, start))
            self._stream.write(number(_Profile.DURATION, end - start))
        self._stream.close()
        return self._bytes.getvalue()

    def _label(self, key: str, value: bytes) -> bytes:
        return field(_Sample.LABEL, number(_Label.KEY, self._name(key)) + value)

    def _location(self, function: Function) -> bytes:
        """The number of a function and of the one location in it, as a sample's stack has it."""
        if function in self._locations:
            return self._locations[function]
        place = len(self._locations) + 1
        self._locations[function] = varint(place)
        file, first, _ = function
        line = max(0, first)
        # Without a system name: pprof takes names that equal it for mangled C++ and cuts <...>.
        self._message(
            _Profile.FUNCTION,
            number(_Function.ID, place),
            number(_Function.NAME, self._name(names.label(function))),
            number(_Function.FILE, self._name("" if file == "~" else file)),
            number(_Function.START, line),
        )
        self._message(
            _Profile.LOCATION,
            number(_Location.ID, place),
            number(_Location.MAPPING, 1),
            field(_Location.LINE, number(_Line.FUNCTION, place) + number(_Line.LINE, line)),
        )
        return self._locations[function]

    def _name(self, text: str) -> int:
        """The number of a string that may come again."""
        if text not in self._known:
            self._known[text] = self._string(text)
        return self._known[text]

    def _string(self, text: str) -> int:
        self._stream.write(field(_Profile.STRING, names.clean(text).encode()))
        self._strings += 1
        return self._strings - 1

    def _message(self, key: int, *parts: bytes) -> None:
        self._stream.write(field(key, b"".join(parts)))

"""The oracle agrees with cProfile on a real program, so that tests may believe it."""

from __future__ import annotations

import cProfile
import gc
import json
import string
import textwrap
from typing import TYPE_CHECKING, cast

import pytest

from tests.tree.oracle import Recorder, record, truth
from tests.tree.tables import function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Function, Stats


def ackermann(m: int, n: int) -> int:
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))


def program() -> None:
    ackermann(2, 2)
    json.loads(json.dumps({"a": [1, 2, {"b": None}], "c": "é" * 9}, indent=2))
    sorted(range(20), key=lambda i: -i)
    textwrap.wrap("to be or not to be " * 20, 30)
    string.Template("$a is ${b}").substitute(a=1, b=2)


Counts = dict["Function", tuple[int, int, dict["Function", tuple[int, int]]]]


def counts(stats: Stats) -> Counts:
    """All that a table counts, without its times and without the profilers' own calls."""
    return {
        f: (row[0], row[1], {caller: edge[:2] for caller, edge in row[4].items()})
        for f, row in stats.items()
        if "disable" not in f[2] and "setprofile" not in f[2]
    }


@pytest.fixture
def _no_collections() -> Iterator[None]:
    """A garbage collection in one of two runs would show in its calls."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collections")
def test_counts_are_those_of_cprofile() -> None:
    program()
    profiler = cProfile.Profile()
    profiler.runcall(program)
    profiler.create_stats()
    expected = counts(cast("Stats", profiler.stats))
    assert counts(truth(record(program)).stats) == expected


@pytest.mark.usefixtures("_no_collections")
def test_one_recorder_traces_many_calls() -> None:
    """The numbers of the first still hold when others have come, of functions of one name."""
    works = [[3].copy, {3: 3}.copy, program, {4}.copy]
    recorder = Recorder()
    traces = [recorder.record(work) for work in works]
    for work, trace in zip(works, traces, strict=True):
        assert counts(truth(recorder.events(trace)).stats) == counts(truth(record(work)).stats)
    assert "set" in next(recorder.events(traces[-1]))[1][2]  # type: ignore[index]


def test_times_of_nested_calls() -> None:
    """a from 0 to 10 calls b from 1 to 9, which calls a from 2 to 5, which calls b from 3 to 4."""
    a, b = function("a"), function("b")
    result = truth(
        [(0, a), (1, b), (2, a), (3, b), (4, None), (5, None), (9, None), (10, None)],
    )
    assert result.self_time == pytest.approx({(a,): 4, (a, b): 6})
    assert result.stats == {
        a: (1, 2, 4, 10, {b: (1, 1, 2, 3)}),
        b: (1, 2, 6, 8, {a: (2, 1, 6, 8)}),
    }


def test_calls_never_left_are_left_out() -> None:
    a, b = function("a"), function("b")
    result = truth([(0, a), (1, b), (2, None)])
    assert result.stats == {b: (1, 1, 1, 1, {})}

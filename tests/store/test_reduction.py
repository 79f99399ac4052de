"""Many profiles added up: the same whatever the partition and whoever does it."""

from __future__ import annotations

import math
import pstats
import shutil
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.errors import BadProfile, NotFound
from reqprof.model import Profile
from reqprof.store import reader, reduction
from reqprof.store.reduction import Reduced, reduce
from reqprof.store.stats import Total, merge
from reqprof.tree import total as trees
from reqprof.tree.forest import Forest
from tests.cli.making import put, put_foreign, put_rubbish
from tests.tree.test_merge import frames
from tests.tree.test_merge import same as same_trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Request, Stats

F, G = ("a.py", 1, "f"), ("a.py", 2, "g")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("many")
    for number in range(60):
        put(folder, size=3 + number % 17, route=f"/{number % 4}", duration=number % 7)
    put_foreign(folder)
    return sorted(folder.glob("*.prof"))


@pytest.fixture(params=["thread", "process"], scope="module")
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    kind = ThreadPoolExecutor if request.param == "thread" else ProcessPoolExecutor
    with kind(2) as pool:
        yield pool


@pytest.fixture(params=[0, 1000], ids=["tree", "here"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tasks, and several levels of joining them, or none."""
    monkeypatch.setattr(reduction, "_FEW", request.param)
    monkeypatch.setattr(reduction, "CHUNK", 3)
    monkeypatch.setattr(reduction, "_FAN_IN", 2)


class Here(Executor):
    """Does what is submitted at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result, or what was raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def numbers(stats: Stats) -> tuple[dict[Any, Any], list[float]]:
    """The counts of a table, by where they stand, and its times in the order of these."""
    counts: dict[Any, Any] = {}
    times: list[float] = []
    for function in sorted(stats):
        *of_function, callers = stats[function]
        for key, row in [(function, of_function), *((e, callers[e]) for e in sorted(callers))]:
            counts[function, key] = row[0], row[1]
            times += row[2], row[3]
    return counts, times


def nearly(ours: Stats, theirs: Stats) -> bool:
    (counts, times), (other_counts, other_times) = numbers(ours), numbers(theirs)
    return counts == other_counts and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
        for a, b in zip(times, other_times, strict=True)
    )


def test_serially_it_is_pstats_to_the_last_bit(files: list[Path]) -> None:
    theirs = pstats.Stats(*map(str, files)).stats  # type: ignore[attr-defined]
    assert merge(files) == theirs
    assert merge(map(str, files), trusted=False) == theirs


def test_on_an_executor_it_is_the_same_but_for_rounding(
    files: list[Path], executor: Executor, small: None
) -> None:
    assert nearly(merge(files, executor=executor), merge(files))


tables = st.dictionaries(
    st.sampled_from([F, G, ("b.py", 9, "h")]),
    st.tuples(
        st.integers(0, 9),
        st.integers(0, 9),
        st.floats(0, 1e3),
        st.floats(0, 1e3),
        st.dictionaries(
            st.sampled_from([F, G]),
            st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1e3), st.floats(0, 1e3)),
        ),
    ),
)


@given(st.lists(tables, max_size=30), st.integers(1, 9), st.integers(2, 5))
@settings(deadline=None, max_examples=60)
def test_whatever_the_partition(many: list[Stats], chunk: int, fan_in: int) -> None:
    before = repr(many)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reduction, "CHUNK", chunk)
        patched.setattr(reduction, "_FAN_IN", fan_in)
        reduced = reduce(many, Total, Profile, Here())
    assert nearly(reduced.total.stats, reduce(many, Total, Profile).total.stats)
    assert repr(many) == before


def route(request: Request | None) -> str:
    return "none" if request is None or request.route is None else request.route


@pytest.mark.parametrize("kind", [trees.Total, partial(Forest, route)])
def test_trees_too(kind: Any, files: list[Path], executor: Executor, small: None) -> None:
    alone = reduce(files, kind, reader.read).total
    shared = reduce(files, kind, reader.read, executor).total
    assert same_trees(frames(shared.tree), frames(alone.tree))
    if isinstance(alone, Forest):
        assert shared.routes.keys() == alone.routes.keys() == {"none", "/0", "/1", "/2", "/3"}
        for name, tree in alone.routes.items():
            assert same_trees(frames(shared.routes[name]), frames(tree))
        slowest = [(request.id, tree.rows()) for request, tree in alone.slowest()]
        assert [(request.id, tree.rows()) for request, tree in shared.slowest()] == slowest


def test_the_bad_and_the_deleted_are_told(
    tmp_path: Path, files: list[Path], executor: Executor, small: None
) -> None:
    sound = [Path(shutil.copy(path, tmp_path)) for path in files[:9]]
    bad = [put_rubbish(tmp_path, f"{name}.prof") for name in "ab"]
    gone = [tmp_path / f"{name}.prof" for name in "cde"]
    some: list[Path] = [bad[0], gone[0], *sound[:5], gone[1], bad[1], *sound[5:], gone[2]]
    for where in (None, executor):
        counted: list[int] = []
        reduced: Reduced[Total, Path] = reduce(some, Total, reader.read, where, counted.append)
        assert nearly(reduced.total.stats, merge(sound))
        assert sorted(map(str, (error.path for error in reduced.bad))) == list(map(str, bad))
        assert all("not a profile" in str(error) for error in reduced.bad)
        assert sorted(reduced.gone) == gone
        assert sum(counted) == len(some)


@pytest.mark.parametrize("files", [[], ["none.prof"]])
def test_nothing_at_all(files: list[str], executor: Executor) -> None:
    for where in (None, executor):
        if files:
            with pytest.raises(NotFound, match=r"none\.prof: no such file"):
                merge(files, executor=where)
        else:
            assert merge(files, executor=where) == {}


def test_a_bad_file_is_no_silent_loss(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(BadProfile, match="not a profile"):
        merge([*files, put_rubbish(tmp_path)])


def fail(path: Path) -> Profile:
    raise RuntimeError("out of order")


def test_what_goes_wrong_on_the_executor_is_raised(files: list[Path], executor: Executor) -> None:
    with pytest.raises(RuntimeError, match="out of order"):
        reduce(files, Total, fail, executor)


def test_a_weight_scales_counts_and_times(tmp_path: Path) -> None:
    one, ten = (put(tmp_path, size=size, weight=weight) for size, weight in ((9, 1.0), (20, 10.0)))
    plain, scaled = merge([ten]), merge([ten], weighted=True)
    assert scaled.keys() == plain.keys()
    for function, (cc, nc, tt, ct, callers) in plain.items():
        assert scaled[function][:4] == (cc * 10, nc * 10, tt * 10, ct * 10)
        for caller, edge in callers.items():
            assert scaled[function][4][caller] == tuple(part * 10 for part in edge)
    both = merge([one, ten], weighted=True)
    work = next(function for function in both if function[2] == "work")
    assert both[work][0] == 11
    assert both[work][3] == pytest.approx(merge([one])[work][3] + 10 * plain[work][3])
    tree = reduce([one, ten], partial(trees.Total, weighted=True), reader.read).total.tree
    assert tree.total == pytest.approx(sum(row[2] for row in both.values()))


@pytest.mark.parametrize("workers", [2, 40])
def test_sums_do_not_wait_in_numbers(
    files: list[Path], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory follows the workers, not the files."""
    monkeypatch.setattr(reduction, "CHUNK", 1)
    waiting = [0]
    most = [0]

    class Counting(Here):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            """As its base, and counts those of chunks."""
            waiting[0] += fn is reduction._add_up_in_order
            most[0] = max(most[0], waiting[0])
            return super().submit(fn, *args, **kwargs)

    def done(count: int) -> None:
        waiting[0] -= count

    many = files * 5
    reduced = reduce(many, Total, reader.read, Counting(), done, workers)
    assert nearly(reduced.total.stats, merge(many))
    assert waiting == [0]
    assert most[0] <= 2 * workers + 1 < len(many)

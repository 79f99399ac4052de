"""A pytest plugin that leaves one profile for each test, in a folder like any other.

``pytest -p reqprof.pytest --reqprof-out DIR``. What is recorded is the test itself: neither
fixtures nor set-up nor collection. ``reqprof slowest DIR`` ranks the tests, ``reqprof merge DIR``
draws them. Tests that are skipped leave none; without ``--reqprof-out`` nothing happens at all.
"""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.record.counters import told
from reqprof.record.engines import Unavailable
from reqprof.record.job import Job, engine
from reqprof.store.caps import Caps
from reqprof.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Generator

    from reqprof.record.engines import Engine

    Wrapper = Generator[None, Any, None]

_NAME = "reqprof"
_RESUMED = 3  # frames: a hook that goes on, what it yields from, and the call of leave


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup(_NAME)
    group.addoption(
        "--reqprof-out", metavar="DIR", help="folder for one profile of each test (reqprof)"
    )
    group.addoption(
        "--reqprof-cpu",
        action="store_true",
        help="profile the CPU time of the test's thread, without waiting",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin, where a folder is given."""
    out = config.getoption("--reqprof-out")
    if not out:
        return
    # Not the current folder: a worker of pytest-xdist may have another one.
    folder = (config.invocation_params.dir / Path(out).expanduser()).absolute()
    if folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"--reqprof-out {out} is a file; give it a folder")
    clock = "cpu" if config.getoption("--reqprof-cpu") else "wall"
    config.pluginmanager.register(Plugin(folder, clock), _NAME)


class Plugin:
    """Records the tests of one process. No fault of its own reaches a test: it is counted."""

    def __init__(self, folder: Path, clock: str) -> None:
        self.folder = folder
        self.counts = {"stored": 0, "pruned": 0, "lost": 0}
        self.why = ""  # the first was lost
        self._clock = clock
        # Each test of a run counts, however many there are; the folder's size has its limit.
        self._writer = Writer(folder, Caps(max_files=None))
        self._engine: Engine | None = None
        self._ended: Job | None = None

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Wrapper:
        """Innermost round the function of a test."""
        yield from self._recorded(self._begin(pyfuncitem) if _is_plain(pyfuncitem) else None)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
        """Innermost round what is a test otherwise: of unittest, a doctest, of a plugin's own."""
        yield from self._recorded(None if _is_plain(item) else self._begin(item))

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Wrapper:
        """Store the test that has ended, as only now its failure is known: unittest's is kept."""
        yield
        job, self._ended = self._ended, None
        if job is not None:
            error = None if call.excinfo is None else call.excinfo.value
            if not isinstance(error, (pytest.skip.Exception, unittest.SkipTest)):
                self._store(job, error)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker of pytest-xdist tells its controller."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_NAME] = {**self.counts, "why": self.why}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist has ended; one that crashed tells nothing."""
        theirs = getattr(node, "workeroutput", {}).get(_NAME, {})
        self.why = self.why or theirs.get("why", "")
        for name in self.counts:
            self.counts[name] += theirs.get(name, 0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """How many profiles went where, in a line; and why some did not, in another."""
        stored, pruned, lost = self.counts.values()
        folder = self.folder
        gone = f", {pruned} older ones deleted to make room" if pruned else ""
        tests = "1 test" if stored == 1 else f"{stored} tests"
        how = f"; rank them with: reqprof slowest {folder}" if stored else ""
        terminalreporter.write_line(f"reqprof: profiles of {tests} in {folder}{gone}{how}")
        if lost:
            terminalreporter.write_line(f"reqprof: {lost} tests left no profile: {self.why}")

    def _recorded(self, job: Job | None) -> Wrapper:
        if job is None:
            yield
            return
        stretch = job.enter()
        yield
        job.leave(stretch, _RESUMED)
        self._end(job)

    def _begin(self, item: pytest.Item) -> Job | None:
        try:
            if self._engine is None:
                self._engine = engine(self._clock)
            return Job(self._engine, item.nodeid, _without_parameters(item))
        except Unavailable as reason:
            self._lose(str(reason))
        except Exception as error:
            self._lose(f"a fault in reqprof: {told(error)}")
        return None

    def _end(self, job: Job) -> None:
        if job.is_here:  # and not in a child that the test has forked
            job.close()
            self._ended = job

    def _store(self, job: Job, error: BaseException | None) -> None:
        try:
            stats, request, tree = job.describe(error)
            self.counts["pruned"] += self._writer.write(stats, request, None, None, tree)
            self.counts["stored"] += 1
        except OSError as fault:
            self._lose(f"{self.folder} takes no profile: {fault}")
        except Exception as fault:
            self._lose(f"a fault in reqprof: {told(fault)}")

    def _lose(self, why: str) -> None:
        self.counts["lost"] += 1
        self.why = self.why or why


def _is_plain(item: pytest.Item) -> bool:
    """Whether the hook for functions is called for it: all but the test itself is outside then."""
    return isinstance(item, pytest.Function) and type(item).runtest is pytest.Function.runtest


def _without_parameters(item: pytest.Item) -> str:
    """The same for all parameters of a test."""
    plain = item.originalname if isinstance(item, pytest.Function) else item.name
    if not item.nodeid.endswith(f"::{item.name}"):
        return item.nodeid
    return item.nodeid.removesuffix(item.name) + plain

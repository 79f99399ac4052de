"""Counters: exact under threads and forks, and told once."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from reqprof.record.counters import Counters

pytestmark = pytest.mark.recording


def test_counts_begin_with_nothing_and_add_up() -> None:
    counters = Counters()
    assert counters.as_dict() == {}
    counters.add("stored")
    counters.add("stored", 4)
    counters.add("pruned", 0)
    assert counters.as_dict() == {"stored": 5, "pruned": 0}


def test_what_is_handed_out_is_a_copy() -> None:
    counters = Counters()
    counters.add("stored")
    counters.as_dict()["stored"] = 99
    assert counters.as_dict() == {"stored": 1}


def test_threads_lose_no_count_and_tell_a_trouble_once(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    together = threading.Barrier(8)

    def count() -> None:
        together.wait()
        for number in range(2000):
            counters.add("a")
            counters.add(f"own {number % 3}")
            counters.trouble("b", "no reason")

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    counts = counters.as_dict()
    assert (counts["a"], counts["b"]) == (16_000, 16_000)
    assert sum(counts[f"own {number}"] for number in range(3)) == 16_000
    assert len(caplog.records) == 1


def test_each_kind_of_trouble_is_told_with_its_first_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counters = Counters()
    counters.trouble("unwritten", OSError("disk full"))
    counters.trouble("unwritten", OSError("still full"))
    counters.trouble("failed_begin", "100 %s")  # no format of ours
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("reqprof", logging.WARNING)
    ] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "unwritten: disk full (further ones are only counted)",
        "failed_begin: 100 %s (further ones are only counted)",
    ]
    assert counters.as_dict() == {"unwritten": 2, "failed_begin": 1}


def test_a_log_handler_that_raises_keeps_its_trouble_to_itself() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ZeroDivisionError

    counters, handler = Counters(), Broken()
    logging.getLogger("reqprof").addHandler(handler)
    try:
        counters.trouble("dropped", "full")
    finally:
        logging.getLogger("reqprof").removeHandler(handler)
    assert counters.as_dict() == {"dropped": 1}


def test_one_middlewares_trouble_is_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    for counters in (Counters(), Counters()):
        counters.trouble("dropped", "full")
        assert counters.as_dict() == {"dropped": 1}
    assert len(caplog.records) == 2


def test_a_finaliser_may_count_in_the_middle_of_a_count() -> None:
    counters = Counters()

    class Name(str):
        """Counts while the counters look it up."""

        __slots__ = ("busy",)

        def __hash__(self) -> int:
            if not hasattr(self, "busy"):
                self.busy = True
                counters.add("inner")
            return str.__hash__(self)

    done = threading.Event()

    def count() -> None:
        counters.add(Name("outer"))
        done.set()

    threading.Thread(target=count, daemon=True).start()
    assert done.wait(5), "it waits for itself"
    assert counters.as_dict() == {"outer": 1, "inner": 1}


def test_a_fork_while_another_thread_counts_leaves_the_child_free() -> None:
    code = """
    import os, signal, threading
    from reqprof.record.counters import Counters
    counters = Counters()
    go_on, inside = threading.Event(), threading.Event()
    def hold():
        with counters._lock:
            inside.set()
            go_on.wait()
    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = os.fork()
    if not child:
        signal.alarm(5)
        counters.add("child")
        os._exit(0 if counters.as_dict() == {"child": 1} else 1)
    go_on.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert counters.as_dict() == {}
    """
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        timeout=30,
    )


def test_counters_nobody_holds_any_more_are_not_kept_for_forks() -> None:
    import weakref

    counters = Counters()
    watched = weakref.ref(counters)
    del counters
    gc.collect()
    assert watched() is None

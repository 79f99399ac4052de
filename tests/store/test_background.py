"""The writer thread: in order, bounded, drained at every kind of end, renewed by every fork."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from reqprof.store.background import BACKGROUND, Background
from tests.conftest import need_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.recording

PLENTY = 1000


@pytest.fixture
def background() -> Background:
    return Background()


class Blocked:
    """Keeps a background thread busy until told otherwise."""

    def __init__(self, background: Background) -> None:
        self._began, self.go_on = threading.Event(), threading.Event()
        assert background.submit(self._wait, PLENTY)
        assert self._began.wait(10)

    def _wait(self) -> None:
        self._began.set()
        assert self.go_on.wait(10)


@pytest.fixture
def blocked(background: Background) -> Iterator[Blocked]:
    made = Blocked(background)
    yield made
    made.go_on.set()


def run(code: str, *arguments: str) -> str:
    """What a program of its own prints; it begins with ``note``, which appends a word to a file."""
    prelude = """
        import os, sys, threading, time
        from reqprof.store.background import BACKGROUND
        def note(word):
            with open(sys.argv[1], "a") as file:
                file.write(word + " ")
    """
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c"),  # it may fork
            *(textwrap.dedent(prelude) + textwrap.dedent(code), *arguments),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def test_jobs_run_one_after_the_other_in_their_order(background: Background) -> None:
    done: list[tuple[int, str]] = []
    for number in range(100):
        assert background.submit(
            lambda number=number: done.append((number, threading.current_thread().name)),  # type: ignore[misc]
            PLENTY,
        )
    assert background.drain(10)
    assert done == [(number, "reqprof-writer") for number in range(100)]


def test_what_one_thread_submits_keeps_its_order_among_the_others(background: Background) -> None:
    done: list[tuple[int, int]] = []

    def submit(thread: int) -> None:
        for number in range(200):
            assert background.submit(
                lambda number=number: done.append((thread, number)),  # type: ignore[misc]
                10_000,
            )

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert background.drain(10)
    assert len(done) == 1600
    for thread_number in range(8):
        mine = [number for thread, number in done if thread == thread_number]
        assert mine == list(range(200))


def test_only_one_thread_starts_however_many_submit_first(background: Background) -> None:
    together = threading.Barrier(8)
    names: set[int] = set()

    def submit() -> None:
        together.wait()
        assert background.submit(lambda: names.add(threading.get_ident()), PLENTY)
        assert background.drain(10)
        assert names

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 1


def test_a_drain_waits_for_a_job_whose_thread_is_just_starting(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    class Slow(threading.Thread):
        def start(self) -> None:
            starting.set()
            go_on.wait(10)
            super().start()

    first = threading.Thread(target=background.submit, args=(lambda: done.append("a"), PLENTY))
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Thread", Slow)
        first.start()
        assert starting.wait(10)
        assert background.submit(lambda: done.append("b"), PLENTY)
        assert not background.drain(0.05)
        go_on.set()
        assert background.drain(10)
    first.join()
    assert "b" in done


def test_a_full_queue_takes_no_more_and_then_takes_more_again(
    background: Background, blocked: Blocked
) -> None:
    done: list[int] = []
    taken = [background.submit(lambda: done.append(1), 3) for _ in range(5)]
    assert taken == [True, True, True, False, False]
    assert background.backlog == 3
    blocked.go_on.set()
    assert background.drain(10)
    assert len(done) == 3
    assert background.backlog == 0
    assert background.submit(lambda: None, 3)


def test_drain_gives_up_after_its_time(background: Background, blocked: Blocked) -> None:
    began = time.monotonic()
    assert not background.drain(0.05)
    assert time.monotonic() - began < 5
    blocked.go_on.set()
    assert background.drain(10)


def test_what_is_to_run_before_each_drain_runs_last_for_as_long_as_its_object_lives(
    background: Background,
) -> None:
    done: list[str] = []

    class Keeper:
        def save(self) -> None:
            done.append("saved")

    keeper = Keeper()
    background.before_drain(keeper.save)
    background.submit(lambda: done.append("job"), PLENTY)
    assert background.drain(10)
    assert background.drain(10)
    assert done == ["job", "saved", "saved"]
    del keeper
    assert background.drain(10)
    assert done == ["job", "saved", "saved"]


def test_drain_has_nothing_to_wait_for_without_a_thread_or_in_it(background: Background) -> None:
    assert background.drain(0)
    inside: list[bool] = []
    background.submit(lambda: inside.append(background.drain(0)), PLENTY)
    assert background.drain(10)
    assert inside == [True]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_job_that_fails_is_logged_and_the_next_ones_run(
    background: Background, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise error("on purpose")

    background.submit(fail, PLENTY)
    background.submit(lambda: done.append(1), PLENTY)
    assert background.drain(10)
    assert done == [1]
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("reqprof", "ERROR")
    assert "on purpose" in caplog.text


def test_a_job_that_is_done_is_not_kept_alive(background: Background) -> None:
    gone = threading.Event()

    class Big:
        def __call__(self) -> None:
            pass

        def __del__(self) -> None:
            gone.set()

    background.submit(Big(), PLENTY)
    assert background.drain(10)
    gc.collect()
    assert gone.wait(10)


def test_without_a_thread_to_be_had_nothing_is_taken_and_later_it_is(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        assert not background.submit(lambda: None, PLENTY)
    assert background.drain(0)
    assert background.submit(lambda: None, PLENTY)
    assert background.drain(10)


def test_a_finaliser_may_submit_even_while_the_queue_is_in_use(background: Background) -> None:
    done: list[int] = []

    class Abandoned:
        def __init__(self) -> None:
            self.cycle = self  # so that the collector finds it, anywhere

        def __del__(self) -> None:
            background.submit(lambda: done.append(1), PLENTY * 10)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(500):
            Abandoned()
            background.submit(lambda: None, PLENTY * 10)
    finally:
        gc.set_threshold(*threshold)
    deadline = time.monotonic() + 10
    while len(done) < 500 and time.monotonic() < deadline:
        gc.collect()  # does nothing while another thread collects
        assert background.drain(10)
    assert len(done) == 500


class TestEnds:
    """What is queued when a process ends is done before it has ended."""

    def test_at_exit(self, notes: Path) -> None:
        run(
            """
            BACKGROUND.submit(lambda: time.sleep(0.2), 9)
            BACKGROUND.submit(lambda: note("done"), 9)
            """,
            str(notes),
        )
        assert notes.read_text() == "done "

    @pytest.mark.parametrize("end", ["sys.exit(0)", "raise SystemExit", "pass"])
    def test_however_the_main_thread_ends(self, notes: Path, end: str) -> None:
        run(f"BACKGROUND.submit(lambda: (time.sleep(0.1), note('done')), 9)\n{end}", str(notes))
        assert notes.read_text() == "done "

    def test_also_what_a_thread_submits_that_outlives_the_main_one(self, notes: Path) -> None:
        run(
            """
            def late():
                time.sleep(0.1)
                print(BACKGROUND.submit(lambda: note("late"), 9))
            BACKGROUND.submit(lambda: note("early"), 9)
            threading.Thread(target=late).start()
            """,
            str(notes),
        )
        assert notes.read_text() == "early late "

    def test_what_is_submitted_when_the_interpreter_has_all_but_ended_harms_nothing(
        self, notes: Path
    ) -> None:
        run(
            """
            class Last:
                def __del__(self):
                    BACKGROUND.submit(lambda: None, 9)
            sys.modules["last"] = Last()
            last = Last()
            BACKGROUND.submit(lambda: note("done"), 9)
            """,
            str(notes),
        )
        assert notes.read_text() == "done "

    def test_nor_when_that_is_the_first_of_all(self, notes: Path) -> None:
        run(
            """
            class Last:
                def __del__(self):
                    BACKGROUND.submit(lambda: None, 9)
            last = Last()
            """,
            str(notes),
        )

    def test_a_job_that_hangs_delays_the_end_for_some_seconds_at_most(self, notes: Path) -> None:
        run(
            """
            import reqprof.store.background as module
            import atexit
            atexit.unregister(BACKGROUND.drain)
            atexit.register(BACKGROUND.drain, 0.2)
            assert 1 <= module.EXIT_SECONDS <= 10
            BACKGROUND.submit(threading.Event().wait, 9)
            """,
            str(notes),
        )


class TestForks:
    def test_a_child_writes_its_own_and_nothing_of_the_parents(self, notes: Path) -> None:
        run(
            """
            go_on = threading.Event()
            BACKGROUND.submit(go_on.wait, 9)
            BACKGROUND.submit(lambda: note("parent"), 9)
            child = os.fork()
            if not child:
                assert BACKGROUND.backlog == 0
                assert BACKGROUND.drain(0)
                BACKGROUND.submit(lambda: note("child"), 9)
                sys.exit(0)  # a pre-forking server's worker ends so
            assert os.waitpid(child, 0)[1] == 0
            go_on.set()
            """,
            str(notes),
        )
        assert notes.read_text() == "child parent "

    def test_a_fork_in_the_middle_of_everything_leaves_no_lock_locked(self, notes: Path) -> None:
        run(
            """
            stop = threading.Event()
            def busy():
                while not stop.is_set():
                    BACKGROUND.submit(lambda: None, 9)
            threads = [threading.Thread(target=busy) for _ in range(3)]
            for thread in threads: thread.start()
            for _ in range(20):
                child = os.fork()
                if not child:
                    BACKGROUND.submit(lambda: note("x"), 9)
                    os._exit(0 if BACKGROUND.drain(5) else 1)
                assert os.waitpid(child, 0)[1] == 0
            stop.set()
            """,
            str(notes),
        )
        assert notes.read_text().split() == ["x"] * 20

    def test_a_job_may_fork(self, notes: Path) -> None:
        run(
            """
            def fork():
                child = os.fork()
                if not child:
                    BACKGROUND.submit(lambda: note("child"), 9)
                    BACKGROUND.drain(5)
                    os._exit(0)
                os.waitpid(child, 0)
                note("parent")
            BACKGROUND.submit(fork, 9)
            BACKGROUND.drain(30)  # at the interpreter's end it may not fork
            """,
            str(notes),
        )
        assert notes.read_text() == "child parent "

    @pytest.mark.parametrize(
        ("package", "method"),
        [
            *(("multiprocessing", method) for method in ("fork", "spawn", "forkserver")),
            ("billiard", "fork"),
        ],
    )
    def test_a_child_of_multiprocessing_drains(
        self, notes: Path, package: str, method: str, tmp_path: Path
    ) -> None:
        need_module(package)
        program = tmp_path / "program.py"
        program.write_text(
            textwrap.dedent(
                f"""
                import {package} as multiprocessing, sys, time
                from reqprof.store.background import BACKGROUND
                def note(word):
                    with open(sys.argv[1], "a") as file:
                        file.write(word + " ")
                def child():
                    BACKGROUND.submit(lambda: time.sleep(0.2), 9)
                    BACKGROUND.submit(lambda: note("child"), 9)
                if __name__ == "__main__":
                    if {method!r} == "fork":  # with no thread: Python warns otherwise
                        assert multiprocessing.active_children() == []
                    else:
                        BACKGROUND.submit(lambda: note("parent"), 9)
                        assert BACKGROUND.drain(5)
                    process = multiprocessing.get_context({method!r}).Process(target=child)
                    process.start()
                    process.join()
                    assert process.exitcode == 0
                """
            )
        )
        done = subprocess.run(
            [sys.executable, str(program), str(notes)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert notes.read_text().split()[-1] == "child"


def test_the_processs_own_is_one_for_all() -> None:
    done: list[Any] = []
    assert BACKGROUND.submit(lambda: done.append(1), PLENTY)
    assert BACKGROUND.drain(10)
    assert done == [1]


def test_a_signal_that_the_app_blocks_stays_blocked(notes: Path) -> None:
    run(
        """
        import signal
        signal.signal(signal.SIGTERM, lambda number, frame: note("ended"))
        BACKGROUND.submit(lambda: note("began"), 10)
        BACKGROUND.drain(10)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        note("blocked")
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        note("unblocked")
        """,
        str(notes),
    )
    assert notes.read_text().split() == ["began", "blocked", "ended", "unblocked"]


def test_the_app_s_thread_takes_signals_as_before_and_ours_keep_faults(
    background: Background,
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    seen: list[set[int]] = []
    assert background.submit(
        lambda: seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())), PLENTY
    )
    assert background.drain(10)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM} <= seen[0]
    assert not {signal.SIGSEGV, signal.SIGBUS} & seen[0]

"""Whether the exact engine counts right, crashes nothing and keeps nothing, for minutes.

``python benchmarks/soak_exact.py [--seconds S] [--threads N] [--greenlets]`` runs threads at once,
8 unless told, each in random stretches of sessions of its own and of all. Meanwhile sessions are
closed by other threads, generators are thrown into, code comes and dies, somebody else uses
``sys.setprofile()`` and ``sys.monitoring``, threads end in a stretch, the process forks, garbage is
collected. Each thread calls functions of its own and counts the calls; each session must hold just
these, in its table and in its tree. Nothing may be left on at the end. With ``--greenlets`` there
are greenlets and no forks: in a child, greenlet may wait for a lock that a thread of the parent
held, as AddressSanitizer may, for which there is ``--no-forks``.

``--sessions N`` runs N sessions one after the other instead, of varied work; 100000 take some
minutes. Memory, allocated blocks and, on a debug build of Python, references are sampled: after a
warm-up they must be flat. Ends with status 1 where something is wrong, and says what.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import os
import platform
import random
import signal
import sys
import threading
import time
import types
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reqprof import _exact
from reqprof.record.engines import exact
from reqprof.record.engines.events import TOOL_IDS
from reqprof.record.engines.session import HOME
from reqprof.tree.recorded import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

greenlet: Any = None  # imported where it is asked for
MONITORING: Any = getattr(sys, "monitoring", None)
OTHER_TOOL = 2  # of sys.monitoring, for the somebody else
GRACE_SECONDS = 60
SHARED = 4  # sessions that all threads use
SAMPLES, WARM_UP = 20, 5
GROWTH = {"references": 400, "blocks": 400, "bytes": 8 << 20}  # after the warm-up, in all
GROWTH_SHARE = 0.1  # of the memory


class Book:
    """A session, and the calls that it must hold, by the names of functions."""

    def __init__(self) -> None:
        self.session: Any = exact.Session(builtins=random.random() < 0.7, clock=a_clock())
        self.session.watch()
        self.made: dict[str, int] = {}  # each name is one thread's
        self.lost: set[str] = set()  # names of which calls may be missing
        self.closed = False
        self._users = 0
        self._lock = threading.Lock()

    @contextmanager
    def stretch(self) -> Iterator[bool]:
        """Whether the thread records in it meanwhile, unless it is closed."""
        with self._lock:
            self._users += 1
        lane = self.session.enter()
        try:
            yield lane is not None
        finally:
            self.session.leave(lane)
            with self._lock:
                self._users -= 1

    def close(self) -> list[str]:
        """End it, and compare; returns what is wrong."""
        with self._lock:
            if self.closed:
                return []
            self.closed = True
            users = self._users
        least = dict(self.made)
        self.session.close()
        most = dict(self.made)
        with self._lock:
            users += self._users
        found = counted(self.session)
        wrong = []
        for name in {*found, *most}:
            # A call that is under way has begun, and has not been counted here.
            low = 0 if name in self.lost else least.get(name, 0)
            if not low <= found.get(name, 0) <= most.get(name, 0) + bool(users):
                wrong.append(
                    f"{name}: {found.get(name, 0)} calls, where {least.get(name, 0)} to "
                    f"{most.get(name, 0)} were made; {users} users"
                )
        for name, count in of_trees(self.session).items() ^ found.items():
            wrong.append(f"{name}: {count} calls are in the tree, or in the table, and not in both")
        if self.session.fault is not None:
            wrong.append(f"the session has a fault: {self.session.fault!r}")
        self.session.calltree()
        if random.random() < 0.5:
            self.session.drop()
        return wrong


def a_clock() -> str:
    return random.choice(["wall", "wall", "cpu"])


def counted(session: Any) -> dict[str, int]:
    """The calls of the threads' own functions in its table."""
    return {
        function[2]: row[1]
        for function, row in session.finish().items()
        if function[2].startswith("own:")
    }


def of_trees(session: Any) -> dict[str, int]:
    """The same, from the bytes of its trees."""
    found: dict[str, int] = {}
    for tree in session.trees():
        functions, nodes = tree.encode(HOME)
        for _, function, calls, resumes, _, _ in zip(*[numbers(nodes)] * 6, strict=True):
            name = functions[function][2]
            if name.startswith("own:"):
                found[name] = found.get(name, 0) + calls + resumes
    return found


class Garbage:
    """In a cycle; whoever collects it calls a function."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        len([self])


class Loud:
    def __repr__(self) -> str:
        gc.collect(0)
        return "<loud>"


class Strange(list[int]):
    """Its method's name is the app's code."""

    append: Any = Loud()


class Worker:
    """One thread with functions of its own, each call of which it counts."""

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak = soak
        self.number = number
        self.random = random.Random(f"{soak.seed} {number}")
        self.own = named(f"own:{number}:leaf", lambda: None)
        self.generator = named(f"own:{number}:generator", a_generator)
        self.acts = [
            *(self.calls, self.generates, self.throws, self.recurses, self.raises, self.sorts),
            *(self.evaluates, self.collects, self.disturbs, self.names, self.meets),
        ]
        if greenlet is not None:
            self.acts.append(self.switches)

    def run(self) -> None:
        while not self.soak.stopping:
            mine = self.random.random() < 0.5
            book = Book() if mine else self.soak.shared(self.random)
            for _ in range(self.random.randrange(1, 5)):
                with book.stretch() as records:
                    for _ in range(self.random.randrange(1, 6)):
                        self.random.choice(self.acts)(book if records else None)
                    if self.soak.forks and self.random.random() < 0.02:
                        self.forks()
                if self.random.random() < 0.1:
                    self.leaves_a_thread(book)
                self.calls(None)  # nobody's
            if mine or self.random.random() < 0.1:
                self.soak.wrong += book.close()
                self.soak.closed += 1
        if _exact.here() is not None or sys.getprofile() is not None:
            self.soak.wrong.append(f"thread {self.number} is still recorded")

    def call(self, book: Book | None) -> None:
        self.own()
        self.note(book, f"own:{self.number}:leaf")

    def note(self, book: Book | None, name: str) -> None:
        if book is not None:
            book.made[name] = book.made.get(name, 0) + 1

    def calls(self, book: Book | None) -> None:
        for _ in range(self.random.randrange(30)):
            self.call(book)

    def step(self, book: Book | None, act: Callable[..., Any], *arguments: Any) -> None:
        """The generator begins or goes on: a call of it."""
        with suppress(StopIteration, KeyError):
            act(*arguments)
        self.note(book, f"own:{self.number}:generator")

    def generates(self, book: Book | None) -> None:
        running = self.generator()
        for _ in range(self.random.randrange(1, 6)):
            self.step(book, next, running)
        self.step(book, running.close)

    def throws(self, book: Book | None) -> None:
        running = self.generator()
        self.step(book, next, running)
        for _ in range(self.random.randrange(1, 4)):
            self.step(book, running.throw, LookupError())
            self.call(book)
        self.step(book, running.throw, KeyError())

    def recurses(self, book: Book | None) -> None:
        def deep(n: int) -> None:
            self.call(book)
            if n:
                deep(n - 1)

        deep(self.random.randrange(40))

    def raises(self, book: Book | None) -> None:
        def fails(n: int) -> None:
            try:
                if n == 0:
                    raise LookupError
                fails(n - 1)
            finally:
                self.call(book)

        with suppress(LookupError):
            fails(self.random.randrange(6))

    def sorts(self, book: Book | None) -> None:
        sorted(range(self.random.randrange(20)), key=lambda n: self.call(book) or -n)  # type: ignore[func-returns-value]

    def evaluates(self, book: Book | None) -> None:
        """Code that dies at once: other code comes to where it was."""
        for _ in range(self.random.randrange(1, 6)):
            name = f"own:{self.number}:dies:{self.random.randrange(7)}"
            space: dict[str, Any] = {}
            exec("def dies(): return len([])", space)
            named(name, space["dies"])()
            self.note(book, name)

    def collects(self, book: Book | None) -> None:
        for _ in range(3):
            Garbage()
        if self.random.random() < 0.1:
            gc.collect()
        self.calls(book)

    def names(self, book: Book | None) -> None:
        list.append(Strange(), 1)
        self.call(book)

    def disturbs(self, book: Book | None) -> None:
        """Somebody else's profiler in this thread."""
        before = sys.getprofile()
        if before is not None and book is not None:  # it takes 3.11's one hook away
            book.lost.update(self.names_of_mine())
        sys.setprofile(lambda *event: None)
        self.calls(book)
        sys.setprofile(before)
        self.calls(book)

    def names_of_mine(self) -> list[str]:
        mine = [f"own:{self.number}:{what}" for what in ("leaf", "generator")]
        return mine + [f"own:{self.number}:dies:{n}" for n in range(7)]

    def meets(self, book: Book | None) -> None:
        """Another session in the middle of this one, which gets nothing while this one is open."""
        other = self.soak.any_shared(self.random)
        with other.stretch() as records:
            if records and book is not None and not book.closed:
                self.soak.wrong.append("a session began inside another")
            self.calls(other if records else book)

    def switches(self, book: Book | None) -> None:
        def inner() -> None:
            self.calls(book)
            greenlet.getcurrent().parent.switch()
            self.calls(book)

        child = greenlet.greenlet(inner)
        while not child.dead:
            child.switch()
            self.call(book)

    def leaves_a_thread(self, book: Book) -> None:
        """A thread that ends in the middle of a stretch."""
        name = f"own:{self.number}:left"
        own = named(name, lambda: None)

        def run() -> None:
            if book.session.enter() is not None:
                for _ in range(5):
                    own()
                    self.note(book, name)

        thread = threading.Thread(target=run)
        with book._lock:
            book._users += 1
        thread.start()
        thread.join()
        with book._lock:
            book._users -= 1

    def forks(self) -> None:
        child = os.fork()
        if child == 0:
            signal.alarm(GRACE_SECONDS // 2)
            self.own()
            gc.collect()
            on = _exact.here() is not None or sys.getprofile() is not None or tools()
            os._exit(1 if on else 0)
        status = os.waitpid(child, 0)[1]
        if status:
            self.soak.wrong.append(f"a forked child ended with {status}")
        self.soak.forked += 1


def named(name: str, function: Any) -> Any:
    """The same function, of a code object of its own and with that name."""
    return types.FunctionType(function.__code__.replace(co_name=name), function.__globals__)


def a_generator() -> Generator[int, None, None]:
    while True:
        try:
            yield 1
        except LookupError as error:
            if isinstance(error, KeyError):
                raise


class Soak:
    def __init__(self, threads: int, seed: int, *, forks: bool) -> None:
        self.seed = seed
        self.forks = forks
        self.wrong: list[str] = []
        self.stopping = False
        self.closed = self.forked = 0
        self._lock = threading.Lock()
        self._shared = [Book() for _ in range(SHARED)]
        workers = [Worker(self, number) for number in range(threads)]
        self.threads = [threading.Thread(target=self._guarded, args=(w.run,)) for w in workers]
        if MONITORING:
            self.threads.append(threading.Thread(target=self._guarded, args=(self._monitor,)))

    def any_shared(self, chance: random.Random) -> Book:
        """One of those that all use; it may have ended."""
        return chance.choice(self._shared)

    def shared(self, chance: random.Random) -> Book:
        """One that was open a moment ago."""
        place = chance.randrange(SHARED)
        with self._lock:
            if self._shared[place].closed:
                self._shared[place] = Book()
            return self._shared[place]

    def run(self, seconds: float) -> list[str]:
        faulthandler.dump_traceback_later(seconds + 2 * GRACE_SECONDS, exit=True)
        for thread in self.threads:
            thread.start()
        print(f"{'seconds':>8} {'sessions':>9} {'forks':>6} {'wrong':>6} {'MiB':>7}")
        began, samples = time.monotonic(), []
        while (elapsed := time.monotonic() - began) < seconds:
            time.sleep(min(seconds / SAMPLES, 30.0))
            samples.append(memory())
            print(
                f"{elapsed:8.0f} {self.closed:9} {self.forked:6} {len(self.wrong):6}"
                f" {samples[-1] / 2**20:7.1f}",
                flush=True,
            )
        self.stopping = True
        for thread in self.threads:
            thread.join(GRACE_SECONDS)
            if thread.is_alive():
                self.wrong.append(f"{thread.name} does not end")
        for book in self._shared:
            self.wrong += book.close()
        gc.collect()
        if tools():
            self.wrong.append(f"tools of sys.monitoring stay taken: {tools()}")
        faulthandler.cancel_dump_traceback_later()
        return [*self.wrong, *grown({"bytes": samples})]

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            self.wrong.append(f"a thread ended with {error!r}")
            raise

    def _monitor(self) -> None:
        """Somebody else's tool comes and goes."""
        chance = random.Random(self.seed)
        events = MONITORING.events
        kinds = [events.PY_START, events.PY_RETURN, events.CALL, events.LINE, events.PY_UNWIND]
        while not self.stopping:
            MONITORING.use_tool_id(OTHER_TOOL, "other")
            for kind in kinds:
                answer = MONITORING.DISABLE if kind != events.PY_UNWIND else None
                MONITORING.register_callback(
                    OTHER_TOOL, kind, partial(lambda answer, *event: answer, answer)
                )
            MONITORING.set_events(OTHER_TOOL, chance.choice(kinds) | chance.choice(kinds))
            time.sleep(chance.random() / 50)
            if chance.random() < 0.5:
                MONITORING.restart_events()
            MONITORING.set_events(OTHER_TOOL, 0)
            for kind in kinds:
                MONITORING.register_callback(OTHER_TOOL, kind, None)
            MONITORING.free_tool_id(OTHER_TOOL)
            time.sleep(chance.random() / 20)


def tools() -> list[object]:
    found = [MONITORING.get_tool(tool) for tool in TOOL_IDS] if MONITORING else []
    return [tool for tool in found if tool is not None]


def memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(samples: dict[str, list[int]]) -> list[str]:
    """What is not flat after the warm-up."""
    told = []
    for what, all_of_it in samples.items():
        later = all_of_it[WARM_UP:]
        third = len(later) // 3
        if third == 0:
            continue
        before, after = max(later[:third]), max(later[-third:])
        allowed = GROWTH[what] if what != "bytes" else max(GROWTH[what], GROWTH_SHARE * before)
        if after - before > allowed:
            told.append(f"{what} grew from {before} to {after}")
    return told


# One session after the other.


def leaf() -> None: ...


def calls_c() -> None:
    json.loads(json.dumps({"a": [1, 2]}))
    sorted([3, 1, 2], key=lambda n: -n)
    list.append(Strange(), 1)


def leaves_generators() -> None:
    running, other = a_generator(), a_generator()
    next(running)
    next(other)
    running.throw(LookupError())
    running.close()


def fails() -> None:
    try:
        int("no number")
    except ValueError:
        leaf()


def makes_a_class() -> None:
    kind = type("Kind", (), {"method": lambda self: leaf()})
    kind().method()  # type: ignore[attr-defined]


def makes_code() -> None:
    space: dict[str, Any] = {}
    exec("def dies(): return [len([]) for _ in range(2)]", space)
    space["dies"]()


def makes_garbage() -> None:
    Garbage()


def uses_a_greenlet() -> None:
    child = greenlet.greenlet(lambda: greenlet.getcurrent().parent.switch())
    child.switch()
    child.switch()


def awaits() -> None:
    async def inner() -> None:
        leaf()

    async def outer() -> None:
        await inner()

    with suppress(StopIteration):
        outer().send(None)


WORK = [leaf, calls_c, leaves_generators, fails, makes_a_class, makes_code, makes_garbage, awaits]


def one_session(number: int) -> None:
    session: Any = exact.Session(builtins=number % 3 > 0, clock="wall" if number % 4 else "cpu")
    stretch = session.enter()
    for work in WORK:
        work()
    session.leave(stretch)
    if number % 5 == 0:
        stretch = session.enter()
        leaf()
    if number % 50 == 0:
        thread = threading.Thread(target=session.enter)  # it ends in a stretch
        thread.start()
        thread.join()
    session.close()  # in the stretch, where there was another
    session.leave(stretch)
    assert session.fault is None
    table, calltree = session.finish(), session.calltree()
    assert sum(row[1] for function, row in table.items() if function[2] == "leaf") >= 4
    assert calltree
    session.drop()


def one_after_the_other(sessions: int) -> list[str]:
    """Run them; returns what is wrong."""
    counts: dict[str, Callable[[], int]] = {"bytes": memory, "blocks": sys.getallocatedblocks}
    if hasattr(sys, "gettotalrefcount"):
        counts["references"] = sys.gettotalrefcount
    samples: dict[str, list[int]] = {what: [] for what in counts}
    print(f"{'sessions':>9}", *(f"{what:>12}" for what in counts))
    for number in range(1, sessions + 1):
        one_session(number)
        if number * SAMPLES % sessions < SAMPLES:
            gc.collect()
            for what, count in counts.items():
                samples[what].append(count())
            print(f"{number:9}", *(f"{values[-1]:12}" for values in samples.values()), flush=True)
    return grown(samples)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--sessions", type=int, help="so many, one after the other, instead")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--no-forks", action="store_true")
    parser.add_argument("--greenlets", action="store_true", help="which must be installed")
    options = parser.parse_args()
    random.seed(options.seed)
    faulthandler.enable()
    faulthandler.register(signal.SIGALRM, chain=True)  # a child that hangs says where, and ends
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)  # of threads; it is the point
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, --seed {options.seed}")
    if options.greenlets:
        global greenlet
        greenlet = importlib.import_module("greenlet")
        WORK.append(uses_a_greenlet)
    if options.sessions:
        wrong = one_after_the_other(options.sessions)
    else:
        forks = not (options.greenlets or options.no_forks)
        wrong = Soak(options.threads, options.seed, forks=forks).run(options.seconds)
    for line in wrong[:50]:
        print(f"WRONG: {line}")
    print(f"{len(wrong)} things wrong" if wrong else "all right")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

"""Whether profiles stay right, and the process small, under traffic of every kind for minutes.

``python benchmarks/soak.py [--seconds S | --each N] [--asgi C] [--wsgi C] [--only KIND ...]``
serves ASGI requests from C clients at once in one event loop, and WSGI requests from as many
threads, in one process: with child tasks, pool threads, streams, websockets, exceptions,
cancellations, clients that leave, generators that are dropped, bodies that other threads read or
that nobody closes, and greenlets where there are any. Each request counts its own calls, and each
profile must hold just these: its own, all of them, and nothing of another kind. Memory and threads
are sampled; after a warm-up neither may grow. Ends with status 1 where something is wrong, and says
what.

``--each N`` serves N requests of every kind instead; 10000 take half an hour or more. What a
request leaves running, such as a call in a pool thread that nobody awaits any more, is counted up
to its end: there the profile may hold any count between that at its end and that in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import itertools
import os
import platform
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from reqprof.asgi import ProfilerMiddleware as Asgi
from reqprof.store import reader
from reqprof.store.background import BACKGROUND
from reqprof.wsgi import ProfilerMiddleware as Wsgi

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

    from reqprof.model import Profile

    Leaf = Callable[["Tally"], None]

WARM_UP_SHARE = 0.3  # of the run, while pools, caches and allocators fill up
SAMPLES, LONGEST_APART = 40, 30.0  # at least so many, and at most so many seconds apart
POOL_SIZE = 4
GROWTH_BYTES, GROWTH_SHARE = 12 << 20, 0.08  # of the process, both at once, from middle to end
BACKLOG = 200  # profiles that may wait to be written before the clients wait for them
GRACE_SECONDS = 30
ENDS_WELL = {"profiled", "stored", "pruned"}


class Gone(Exception):
    """The client has closed its connection, as servers say it."""


@dataclass
class Tally:
    """The calls that one request makes, by name; each name is one thread's at a time."""

    kind: str
    made: Counter[str] = field(default_factory=Counter)
    at_end: Counter[str] | None = None  # where its app had returned

    def close(self) -> None:
        self.at_end = Counter(self.made)

    def allows(self, name: str, count: int) -> bool:
        at_end = self.made if self.at_end is None else self.at_end
        return at_end[name] <= count <= self.made[name]


def leaf_of(kind: str, part: str) -> Leaf:
    """Calls a function of this kind's own, known by its name, and counts that."""
    name = f"leaf:{kind}:{part}"

    def leaf() -> None: ...

    leaf.__code__ = leaf.__code__.replace(co_name=name)

    def call(tally: Tally) -> None:
        leaf()
        tally.made[name] += 1  # it has returned: a profile that ends now holds it

    return call


@dataclass(frozen=True)
class Kind:
    """One kind of request: what its app does, and how the server and the client treat it."""

    name: str
    app: Callable[..., Any]
    serve: Callable[..., Any]
    scope: str = "http"

    def leaves(self) -> tuple[Leaf, Leaf, Leaf]:
        """Its work in its own task, in child tasks, and in pool threads."""
        return leaf_of(self.name, "own"), leaf_of(self.name, "child"), leaf_of(self.name, "job")


class Work:
    """What the app of one request has at hand."""

    def __init__(self, kind: Kind, tally: Tally, pool: ThreadPoolExecutor) -> None:
        self.own_leaf, self.child_leaf, self.job_leaf = kind.leaves()
        self.tally = tally
        self.pool = pool

    def own(self, times: int) -> None:
        for _ in range(times):
            self.own_leaf(self.tally)

    async def steps(self, times: int) -> None:
        for _ in range(times):
            self.own(random.randrange(4))
            await asyncio.sleep(0)

    async def child(self, times: int, seconds: float = 0.0) -> None:
        for _ in range(times):
            self.child_leaf(self.tally)
            await asyncio.sleep(seconds)

    def job(self, times: int) -> None:
        for _ in range(times):
            self.job_leaf(self.tally)

    def slow_job(self, times: int) -> None:
        for _ in range(times):
            self.job_leaf(self.tally)
            time.sleep(0.0005)


async def respond(send: Any, *chunks: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# The ASGI apps: each is given its work, receive and send.


async def own_steps(work: Work, receive: Any, send: Any) -> None:
    await work.steps(random.randrange(1, 8))
    await respond(send, b"x")


async def child_tasks(work: Work, receive: Any, send: Any) -> None:
    await asyncio.gather(*(work.child(random.randrange(1, 4)) for _ in range(3)))
    async with asyncio.TaskGroup() as group:
        group.create_task(work.child(2))
        group.create_task(work.child(1))
    with suppress(TimeoutError):
        await asyncio.wait_for(work.child(5, 0.001), 0.002)
    await respond(send, b"x")


async def pool_threads(work: Work, receive: Any, send: Any) -> None:
    await asyncio.to_thread(work.job, random.randrange(1, 9))
    await work.steps(1)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(work.pool, work.job, random.randrange(1, 9))
    await respond(send, b"x")


async def sync_endpoint(work: Work, receive: Any, send: Any) -> None:
    """As Starlette and FastAPI call a view that is no coroutine."""
    await anyio.to_thread.run_sync(work.job, 5)
    await respond(send, b"x")


async def stream(work: Work, receive: Any, send: Any) -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for _ in range(random.randrange(1, 6)):
            work.own(2)
            yield b"x"
            await asyncio.sleep(0.001)

    async with aclosing(chunks()) as made:
        await respond(send, *[chunk async for chunk in made])
    work.own(1)  # after the response


async def endless_stream(work: Work, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        work.own(1)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0)


async def websocket(work: Work, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        work.own(2)
        await asyncio.create_task(work.child(1))
        await send({"type": "websocket.send", "text": "x"})


async def failure(work: Work, receive: Any, send: Any) -> None:
    await work.steps(2)
    raise Gone


async def failing_child(work: Work, receive: Any, send: Any) -> None:
    async def fails() -> None:
        await work.child(2)
        raise Gone

    await asyncio.gather(fails(), work.child(1))


async def failing_job(work: Work, receive: Any, send: Any) -> None:
    def fails() -> None:
        work.job(3)
        raise Gone

    await asyncio.to_thread(fails)


async def long_wait(work: Work, receive: Any, send: Any) -> None:
    try:
        work.own(2)
        await asyncio.sleep(60)
    finally:
        await work.steps(1)


async def long_children(work: Work, receive: Any, send: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(work.child(1000, 0.0005))


async def long_job(work: Work, receive: Any, send: Any) -> None:
    await asyncio.to_thread(work.slow_job, 8)


async def left_running(work: Work, receive: Any, send: Any) -> None:
    keep(asyncio.create_task(work.child(4, 0.001)))
    keep(asyncio.get_running_loop().run_in_executor(work.pool, work.slow_job, 4))
    await asyncio.sleep(0)
    await respond(send, b"x")


async def dropped_generator(work: Work, receive: Any, send: Any) -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            work.own(1)
            yield 1
            await asyncio.sleep(0)

    async for _ in endless():
        break
    await respond(send, b"x")


@types.coroutine
def hang() -> Generator[None, None, None]:
    yield


async def dropped_request(work: Work, receive: Any, send: Any) -> None:
    work.own(2)
    try:
        await hang()
    finally:
        work.own(1)


_kept: set[asyncio.Future[Any]] = set()


def keep(task: asyncio.Future[Any]) -> None:
    _kept.add(task)
    task.add_done_callback(_kept.discard)


# What the ASGI server and the client do with them.


async def receive_nothing() -> Any:
    return {"type": "http.disconnect"}


async def accept(message: Any) -> None:
    if random.random() < 0.3:
        await asyncio.sleep(0)


async def plainly(request: Callable[..., Any]) -> None:
    with suppress(Gone):
        await request(receive_nothing, accept)


async def client_leaves(request: Callable[..., Any]) -> None:
    left = random.randrange(1, 6)

    async def send(message: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Gone
        await asyncio.sleep(0)

    with suppress(Gone):
        await request(receive_nothing, send)


async def cancelled(request: Callable[..., Any]) -> None:
    task = asyncio.ensure_future(request(receive_nothing, accept))
    await asyncio.sleep(random.choice([0, 0, 0.001, 0.003]))
    task.cancel()
    with suppress(asyncio.CancelledError, Gone):
        await task


async def talks(request: Callable[..., Any]) -> None:
    messages = random.randrange(5)

    async def receive() -> Any:
        nonlocal messages
        messages -= 1
        await asyncio.sleep(random.choice([0, 0.002]))
        return {"type": "websocket.receive" if messages >= 0 else "websocket.disconnect"}

    await request(receive, accept)


async def drops(request: Callable[..., Any]) -> None:
    suspended = request(receive_nothing, accept)
    with suppress(StopIteration):
        suspended.send(None)


# The WSGI apps.


def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
    return lambda chunk: None


def start(start_response: Any) -> None:
    start_response("200 OK", [])


def returns_list(work: Work, start_response: Any) -> Any:
    work.own(random.randrange(1, 9))
    start(start_response)
    return [b"x"]


def yields(work: Work, start_response: Any) -> Iterator[bytes]:
    start(start_response)
    try:
        for _ in range(4):
            work.own(2)
            yield b"x"
    finally:
        work.own(1)


def yields_to_nobody(work: Work, start_response: Any) -> Iterator[bytes]:
    """What it does when it is dropped is done for no server, and may count or not."""
    start(start_response)
    try:
        work.own(2)
        yield b"x"
    finally:
        work.tally.close()
        work.own(1)


def uses_pool(work: Work, start_response: Any) -> Any:
    jobs = work.pool.submit(work.job, random.randrange(1, 9))
    work.own(2)
    jobs.result()
    start(start_response)
    return [b"x"]


def raises(work: Work, start_response: Any) -> Any:
    work.own(3)
    raise Gone


def raises_late(work: Work, start_response: Any) -> Iterator[bytes]:
    start(start_response)
    work.own(2)
    yield b"x"
    work.own(1)
    raise Gone


def sends_file(work: Work, start_response: Any) -> Any:
    work.own(2)
    start(start_response)
    return FileWrapper(io.BytesIO(b"x"))


class FileWrapper:
    """As servers offer it."""

    def __init__(self, file: Any) -> None:
        self.close = file.close
        self._chunks: Iterator[bytes] = iter(file)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def switches(work: Work, start_response: Any) -> Any:
    """In a greenlet: others run in this thread while it pauses."""
    for _ in range(3):
        work.own(2)
        sys.modules["greenlet"].getcurrent().parent.switch()
    start(start_response)
    return [b"x"]


# What the WSGI server does with them.


def reads(request: Callable[[], Any]) -> None:
    with suppress(Gone):
        body = request()
        try:
            for _ in body:
                pass
        finally:
            getattr(body, "close", lambda: None)()


def reads_half(request: Callable[[], Any]) -> None:
    body = request()
    next(iter(body))
    body.close()


def never_closes(request: Callable[[], Any]) -> None:
    for _ in request():
        pass


def drops_half(request: Callable[[], Any]) -> None:
    next(iter(request()))


_later: queue.SimpleQueue[Any] = queue.SimpleQueue()


def another_thread_reads(request: Callable[[], Any]) -> None:
    """Reads a body of another request, and leaves its own to somebody else."""
    _later.put(request())
    reads(_later.get)


def in_greenlets(request: Callable[[], Any]) -> None:
    """Three requests take turns in this thread."""
    greenlet = sys.modules["greenlet"].greenlet
    turns = [greenlet(lambda: reads(request)) for _ in range(3)]
    while turns:
        for each in turns:
            each.switch()
        turns = [each for each in turns if not each.dead]


ASGI = [
    Kind("own_steps", own_steps, plainly),
    Kind("child_tasks", child_tasks, plainly),
    Kind("pool_threads", pool_threads, plainly),
    Kind("sync_endpoint", sync_endpoint, plainly),
    Kind("stream", stream, plainly),
    Kind("stream_left", endless_stream, client_leaves),
    Kind("websocket", websocket, talks, "websocket"),
    Kind("failure", failure, plainly),
    Kind("failing_child", failing_child, plainly),
    Kind("failing_job", failing_job, plainly),
    Kind("cancelled", long_wait, cancelled),
    Kind("cancelled_children", long_children, cancelled),
    Kind("cancelled_job", long_job, cancelled),
    Kind("left_running", left_running, plainly),
    Kind("dropped_generator", dropped_generator, plainly),
    Kind("dropped_request", dropped_request, drops),
]
WSGI = [
    Kind("list", returns_list, reads),
    Kind("generator", yields, reads),
    Kind("generator_half", yields, reads_half),
    Kind("generator_unclosed", yields, never_closes),
    Kind("generator_dropped", yields_to_nobody, drops_half),
    Kind("generator_elsewhere", yields, another_thread_reads),
    Kind("pool", uses_pool, reads),
    Kind("raises", raises, reads),
    Kind("raises_late", raises_late, reads),
    Kind("file", sends_file, reads),
    Kind("file_unclosed", sends_file, never_closes),
]
GREENLETS = [Kind("greenlets", switches, in_greenlets)]


class Soak:
    """The service, its clients, and the judge of its profiles."""

    def __init__(self, folder: Path, kinds: list[Kind], each: int | None) -> None:
        self.wrong: list[str] = []
        self.checked: Counter[str] = Counter()
        self.stopping = False
        self.pool = ThreadPoolExecutor(POOL_SIZE, "soak-pool")
        self.asgi = Asgi(self._asgi_app, folder, max_files=None)
        self.wsgi = Wsgi(self._wsgi_app, folder, max_files=None)
        self._folder = folder
        self._tallies: dict[str, Tally] = {}
        self._kinds = {kind.name: kind for kind in kinds}
        self._numbers = itertools.count()
        self._left = dict.fromkeys(self._kinds, each) if each else None

    # The apps: the path says which kind of request it is, and which one.

    async def _asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        kind, tally = self._of(scope["path"])
        try:
            await kind.app(Work(kind, tally, self.pool), receive, send)
        finally:
            tally.close()

    def _wsgi_app(self, environ: Any, start_response: Any) -> Any:
        kind, tally = self._of(environ["PATH_INFO"])
        return kind.app(Work(kind, tally, self.pool), start_response)

    def _of(self, path: str) -> tuple[Kind, Tally]:
        return self._kinds[path.split("/")[1]], self._tallies[path]

    # The clients.

    def _begin(self, kind: Kind) -> str:
        path = f"/{kind.name}/{next(self._numbers)}"
        self._tallies[path] = Tally(kind.name)
        return path

    def _choose(self, kinds: list[Kind]) -> Kind | None:
        """The next kind, or None where all has been served."""
        if self._left is None:
            return None if self.stopping else random.choice(kinds)
        left = [kind for kind in kinds if self._left[kind.name] > 0]
        if not left or self.stopping:
            return None
        kind = random.choice(left)
        self._left[kind.name] -= 1
        return kind

    def left(self) -> int:
        """Requests that were to be made and have not been."""
        return sum((self._left or {}).values())

    async def asgi_client(self, kinds: list[Kind]) -> None:
        while (kind := self._choose(kinds)) is not None:

            def request(receive: Any, send: Any, kind: Kind = kind) -> Any:
                path = self._begin(kind)
                scope = {"type": kind.scope, "method": "GET", "path": path, "headers": []}
                return self.asgi(scope, receive, send)

            await self._guarded_async(kind, request)
            while BACKGROUND.backlog > BACKLOG:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)

    async def _guarded_async(self, kind: Kind, request: Any) -> None:
        try:
            await kind.serve(request)
        except Exception as error:
            self.wrong.append(f"{kind.name}: the app ended with {error!r}")

    def wsgi_client(self, kinds: list[Kind]) -> None:
        while (kind := self._choose(kinds)) is not None:

            def request(kind: Kind = kind) -> Any:
                environ = {
                    "REQUEST_METHOD": "GET",
                    "PATH_INFO": self._begin(kind),
                    "wsgi.file_wrapper": FileWrapper,
                }
                return self.wsgi(environ, start_response)

            try:
                kind.serve(request)
            except Exception as error:
                self.wrong.append(f"{kind.name}: the app ended with {error!r}")
            while BACKGROUND.backlog > BACKLOG:
                time.sleep(0.01)

    # The judge.

    def judge(self) -> None:
        """Read, check and delete the profiles that are there."""
        for path in self._folder.glob("*.prof"):
            profile = reader.read(path)
            path.unlink()
            assert profile.request is not None
            self._judge(str(profile.request.path), profile)

    def _judge(self, path: str, profile: Profile) -> None:
        tally = self._tallies.pop(path, None)
        if tally is None:
            self.wrong.append(f"{path}: two profiles, or one of no request")
            return
        self.checked[tally.kind] += 1
        found = Counter[str]()
        for (file, _, name), row in profile.stats.items():
            if file == __file__ and name.startswith("leaf:"):
                found[name] += row[1]
        if profile.request is not None and profile.request.interrupted:
            self.wrong.append(f"{path}: marked as interrupted")
        for name in {*found, *tally.made}:
            if not tally.allows(name, found[name]):
                self.wrong.append(f"{path}: {found[name]} calls of {name}; it made {tally}")

    def unaccounted(self) -> list[str]:
        """What is wrong once all is served and written."""
        # One that was cancelled before its first step never began.
        missing = [path for path, tally in self._tallies.items() if tally.made]
        told = [f"{len(missing)} requests without a profile, such as {missing[:3]}"] * bool(missing)
        for middleware in (self.asgi, self.wsgi):
            counters = middleware.counters
            odd = {name: count for name, count in counters.items() if name not in ENDS_WELL}
            odd.pop("empty", None)
            if odd:
                told.append(f"{type(middleware).__module__} counted {odd}")
            if vars(middleware)["_recorder"].in_flight:
                told.append("requests are still in flight")
        if sys.getprofile() is not None:
            told.append("a profile hook stays on")
        monitoring: Any = getattr(sys, "monitoring", None)
        for tool in (3, 4, 5) if monitoring else ():
            if monitoring.get_tool(tool) is not None:
                told.append(f"tool {tool} of sys.monitoring stays taken")
        return told


def memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def watch(soak: Soak, seconds: float, clients: list[threading.Thread]) -> list[tuple[int, int]]:
    """Judge and print until the time is over or the clients are done; the samples after warm-up."""
    print(f"{'seconds':>8} {'checked':>8} {'wrong':>6} {'MiB':>7} {'threads':>8} {'waiting':>8}")
    samples: list[tuple[int, int]] = []
    began = time.monotonic()
    apart = min(seconds / SAMPLES, LONGEST_APART)
    while True:
        until = began + apart * (len(samples) + 1)
        while time.monotonic() < until and any(client.is_alive() for client in clients):
            soak.judge()
            time.sleep(0.05)
        elapsed = time.monotonic() - began
        sample = memory(), threading.active_count()
        print(
            f"{elapsed:8.0f} {soak.checked.total():8} {len(soak.wrong):6} {sample[0] / 2**20:7.1f}"
            f" {sample[1]:8} {BACKGROUND.backlog:8}",
            flush=True,
        )
        samples.append(sample)
        if elapsed >= seconds or not any(client.is_alive() for client in clients):
            return samples[int(len(samples) * WARM_UP_SHARE) :]


def growth(samples: list[tuple[int, int]], most_threads: int) -> list[str]:
    """What is wrong with the memory and the threads after the warm-up."""
    if len(samples) < 6:
        return []
    third = len(samples) // 3
    early, late = samples[:third], samples[-third:]
    before, after = (max(memory for memory, _ in part) for part in (early, late))
    told = []
    if after - before > max(GROWTH_BYTES, GROWTH_SHARE * before):
        told.append(f"memory grew from {before >> 20} MiB to {after >> 20} MiB")
    threads = max(threads for _, threads in samples)
    if threads > most_threads:
        told.append(f"{threads} threads, where {most_threads} are accounted for")
    return told


def serve_asgi(soak: Soak, kinds: list[Kind], clients: int) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(POOL_SIZE))
        anyio.to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
        await asyncio.gather(*(soak.asgi_client(kinds) for _ in range(clients)))
        while _kept:
            await asyncio.sleep(0.01)

    asyncio.run(main())


def run(options: argparse.Namespace, folder: Path) -> list[str]:
    """All of it; returns what is wrong."""
    greenlets = GREENLETS if importable("greenlet") else []
    asgi, wsgi = (
        [kind for kind in kinds if not options.only or kind.name in options.only]
        for kinds in (ASGI, WSGI + greenlets)
    )
    soak = Soak(folder, asgi + wsgi, options.each)
    clients = []
    if asgi:
        clients.append(threading.Thread(target=serve_asgi, args=(soak, asgi, options.asgi)))
    if wsgi:
        clients += [
            threading.Thread(target=soak.wsgi_client, args=(wsgi,)) for _ in range(options.wsgi)
        ]
    for client in clients:
        client.daemon = True
        client.start()
    samples = watch(soak, options.seconds, clients)
    soak.stopping = True
    if left := soak.left():
        soak.wrong.append(f"{left} requests were not made in {options.seconds:.0f} s")
    for client in clients:
        client.join(GRACE_SECONDS)
        if client.is_alive():
            soak.wrong.append(f"{client.name} does not end")
    soak.pool.shutdown()
    gc.collect()  # what was dropped in cycles
    for middleware in (soak.asgi, soak.wsgi):
        if not middleware.flush(GRACE_SECONDS):
            soak.wrong.append("the writer does not end")
    time.sleep(0.2)
    soak.judge()
    for name, count in sorted(soak.checked.items()):
        print(f"{name:22} {count:8} profiles")
    # The main thread, the clients, three pools, and the two of reqprof's own.
    most_threads = 1 + len(clients) + 3 * POOL_SIZE + 2
    return [*soak.wrong, *soak.unaccounted(), *growth(samples, most_threads)]


def importable(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="at most; 120, or 5400 with --each")
    parser.add_argument("--each", type=int, help="requests of every kind")
    parser.add_argument("--asgi", type=int, default=12, help="ASGI clients at once")
    parser.add_argument("--wsgi", type=int, default=4, help="WSGI threads")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="these kinds of requests alone")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 5400.0 if options.each else 120.0
    random.seed(options.seed)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, --seed {options.seed}")
    folder = Path(tempfile.mkdtemp(prefix="reqprof-soak-"))
    try:
        wrong = run(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in wrong[:50]:
        print(f"WRONG: {line}")
    print(f"{len(wrong)} things wrong" if wrong else "all right")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

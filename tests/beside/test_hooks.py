"""Profilers, tracers and debuggers of the user's own: each sees what it sees without us.

They are used round a whole request, in its own task, in a child task of it and in a pool thread.
Ours is exact beside them, or says that it is not: only on Python 3.11, where a thread has but one
profile hook.
"""

from __future__ import annotations

import asyncio
import bdb
import cProfile
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from tests.conftest import Profiles, calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType, FrameType

    from reqprof.asgi import ProfilerMiddleware

    Seen = Counter[str]
    Hook = Callable[[Seen], AbstractContextManager[Any]]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]

MONITORING: Any = getattr(sys, "monitoring", None)
LEAVES = {"own_leaf": 3, "child_leaf": 5, "job_leaf": 7}
PLACES = ("round", "own", "child", "job")


def own_leaf() -> None:
    return None


def child_leaf() -> None:
    return None


def job_leaf() -> None:
    return None


def leaves(leaf: Callable[[], None], observed: AbstractContextManager[Any]) -> None:
    """Call it as often as it is to be called, with the observer there for all but one time."""
    with observed:
        for _ in range(LEAVES[leaf.__name__] - 1):
            leaf()
    leaf()


class App:
    """Serves one request whose work is observed at one place."""

    def __init__(self, place: str, observed: AbstractContextManager[Any]) -> None:
        self._observed = {place: observed}

    def at(self, place: str) -> AbstractContextManager[Any]:
        return self._observed.pop(place, nullcontext())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        leaves(own_leaf, self.at("own"))
        task = asyncio.create_task(self._child())
        await asyncio.to_thread(leaves, job_leaf, self.at("job"))
        await task
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    async def _child(self) -> None:
        await asyncio.sleep(0)
        leaves(child_leaf, self.at("child"))
        await asyncio.sleep(0)


def serve(hook: Hook, place: str, folder: Path | None) -> tuple[Seen, ProfilerMiddleware | None]:
    """What the hook saw of the leaves, and the middleware, where there was one."""
    seen: Seen = Counter()
    sent: list[Any] = []
    app: Any = App(place, hook(seen))
    middleware = None
    if folder is not None:
        app = middleware = reqprof.ProfilerMiddleware(app, out_dir=folder)

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message.get("body"))

    async def main() -> None:
        with hook(seen) if place == "round" else nullcontext():
            await app({"type": "http", "path": "/", "headers": []}, receive, send)

    asyncio.run(main())
    assert sent == [None, b"whole"]
    assert middleware is None or middleware.flush()
    return Counter({name: count for name, count in seen.items() if name in LEAVES}), middleware


@contextmanager
def cprofile(seen: Seen) -> Iterator[None]:
    profiler = cProfile.Profile()
    profiler.enable()
    yield
    profiler.disable()
    for entry in profiler.getstats():
        if not isinstance(entry.code, str):
            seen[entry.code.co_name] += entry.callcount


@contextmanager
def setprofile(seen: Seen) -> Iterator[None]:
    def hook(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            seen[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(hook)
    yield
    assert sys.getprofile() is hook
    sys.setprofile(before if before is None or callable(before) else None)


@contextmanager
def threads_setprofile(seen: Seen) -> Iterator[None]:
    """In this thread and in those that start meanwhile."""
    with setprofile(seen):
        threading.setprofile(sys.getprofile())
        yield
        threading.setprofile(None)


@contextmanager
def settrace(seen: Seen) -> Iterator[None]:
    def hook(frame: FrameType, event: str, argument: object) -> Any:
        seen[frame.f_code.co_name] += event == "call"
        return hook

    before = sys.gettrace()
    sys.settrace(hook)
    yield
    assert sys.gettrace() is hook
    sys.settrace(before)


@contextmanager
def debugger(seen: Seen, **options: Any) -> Iterator[None]:
    """Breakpoints in the leaves, each of which is continued from."""

    class Debugger(bdb.Bdb):
        def user_line(self, frame: FrameType) -> None:
            seen[frame.f_code.co_name] += 1
            self.set_continue()

    before = sys.gettrace()
    made = Debugger(**options)
    for leaf in (own_leaf, child_leaf, job_leaf):
        assert made.set_break(__file__, leaf.__code__.co_firstlineno + 1) is None
    made.set_trace()
    yield
    made.clear_all_breaks()
    made.set_quit()
    made.stop_trace() if hasattr(made, "stop_trace") else None
    sys.settrace(before)


@contextmanager
def monitoring_debugger(seen: Seen) -> Iterator[None]:
    with debugger(seen, backend="monitoring"):
        yield


def monitoring(tool: int, *, once: bool = False) -> Hook:
    """A tool of the user's own, which may hear of each function only once."""

    @contextmanager
    def hook(seen: Seen) -> Iterator[None]:
        def start(code: CodeType, offset: int) -> Any:
            seen[code.co_name] += 1
            return MONITORING.DISABLE if once else None

        event = MONITORING.events.PY_START
        MONITORING.use_tool_id(tool, "the user's")
        MONITORING.register_callback(tool, event, start)
        MONITORING.restart_events()
        MONITORING.set_events(tool, event)
        yield
        MONITORING.set_events(tool, 0)
        MONITORING.register_callback(tool, event, None)
        MONITORING.free_tool_id(tool)

    return hook


HOOKS: dict[str, Hook] = {
    "cProfile": cprofile,
    "sys.setprofile": setprofile,
    "threading.setprofile": threads_setprofile,
    "sys.settrace": settrace,
    "bdb": debugger,
}
TAKE_OURS = {"cProfile", "sys.setprofile", "threading.setprofile"}
"""What needs a thread's profile hook for itself, on Python 3.11."""

if MONITORING is not None:
    for _tool in (0, 2, 3):
        HOOKS[f"sys.monitoring as tool {_tool}"] = monitoring(_tool)
    HOOKS["sys.monitoring, each function once"] = monitoring(3, once=True)
if sys.version_info >= (3, 14):
    HOOKS["bdb by sys.monitoring"] = monitoring_debugger


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOOKS)
def test_each_keeps_its_results_and_ours_are_right_or_marked(
    profiles: Profiles, name: str, place: str
) -> None:
    bare, _ = serve(HOOKS[name], place, None)
    assert bare.total() > 0
    seen, middleware = serve(HOOKS[name], place, profiles.folder)
    assert middleware is not None
    assert seen == bare
    check(profiles, middleware.counters, shared=sys.version_info < (3, 12) and name in TAKE_OURS)


@pytest.mark.skipif(MONITORING is None, reason="sys.monitoring came with 3.12")
@pytest.mark.parametrize("tool", [3, 4])
def test_a_tool_with_one_of_the_ids_that_we_may_take(profiles: Profiles, tool: int) -> None:
    bare, _ = serve(monitoring(tool), "round", None)
    seen, middleware = serve(monitoring(tool), "round", profiles.folder)
    assert middleware is not None
    assert seen == bare
    check(profiles, middleware.counters, shared=False)


def check(profiles: Profiles, counters: dict[str, int], *, shared: bool) -> None:
    """The profile is exact; where others may ``shared`` the hook, it may be marked or missing."""
    skipped = counters.get("skipped_profiler", 0)
    assert not skipped or shared
    if skipped:
        assert (profiles.paths(), counters) == ([], {"skipped_profiler": 1})
        return
    profile = profiles.one()
    assert profile.request is not None
    counted = {name: count for name, count in calls(profile).items() if name in LEAVES}
    if profile.request.interrupted:
        assert shared
        assert counters["interrupted"] == 1
        assert all(count <= LEAVES[name] for name, count in counted.items())
    else:
        assert counted == LEAVES
        assert "interrupted" not in counters


@pytest.mark.parametrize("hooks", [("cProfile", "sys.settrace"), ("bdb", "sys.setprofile")])
def test_several_at_once(profiles: Profiles, hooks: tuple[str, str]) -> None:
    def both(seen: Seen) -> AbstractContextManager[Any]:
        @contextmanager
        def entered() -> Iterator[None]:
            with ExitStack() as stack:
                for name in hooks:
                    stack.enter_context(HOOKS[name](seen))
                yield

        return entered()

    bare, _ = serve(both, "child", None)
    seen, middleware = serve(both, "child", profiles.folder)
    assert middleware is not None
    assert seen == bare
    check(profiles, middleware.counters, shared=sys.version_info < (3, 12))


def test_a_pool_thread_with_a_hook_of_its_own_is_left_alone(profiles: Profiles) -> None:
    """Where hooks are shared, its work is then missing, and the profile says so."""
    seen: Seen = Counter()

    def hook(frame: FrameType, event: str, argument: object) -> None:
        seen[frame.f_code.co_name] += event == "call"

    def work() -> None:
        leaves(job_leaf, nullcontext())

    with ThreadPoolExecutor(1, initializer=sys.setprofile, initargs=(hook,)) as pool:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            leaves(own_leaf, nullcontext())
            leaves(child_leaf, nullcontext())
            await asyncio.get_running_loop().run_in_executor(pool, work)

        middleware = reqprof.ProfilerMiddleware(app, out_dir=profiles.folder)
        asyncio.run(middleware({"type": "http", "path": "/", "headers": []}, None, None))
        assert pool.submit(sys.getprofile).result() is hook
    assert seen["job_leaf"] == LEAVES["job_leaf"]
    assert middleware.flush()
    check(profiles, middleware.counters, shared=sys.version_info < (3, 12))

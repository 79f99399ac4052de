"""What an app sees of its own tasks, and what asyncio complains about: as without us."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import logging
import re
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from tests.beside import run
from tests.conftest import need_module

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.recording

App = Callable[[], Awaitable[Any]]
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

_ADDRESS = re.compile(r"0x[0-9a-f]+|\b\d{9,}\b|(?<=Task-)\d+")
_CREATED = re.compile(r"created at (.*?):\d+")
_FRAME = re.compile(r'^  File "(.*)", line \d+, in (\w+)\n(?:    .*\n?)*', re.MULTILINE)


@dataclass
class Heard:
    """What an app saw, and what was said while it ran."""

    seen: Any = None
    complaints: list[str] = field(default_factory=list)  # to the loop's exception handler
    warned: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    unraisable: list[str] = field(default_factory=list)


class _Listener(logging.Handler):
    def __init__(self, logged: list[str]) -> None:
        super().__init__()
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith("Executing "):  # was slow: the machine is busy
            self._logged.append(plain(record.getMessage()))


def plain(text: str) -> str:
    """Without addresses, numbers of tasks, and frames in tracebacks that are not the app's."""
    text = _CREATED.sub(lambda at: at[0] if at[1] == __file__ else "created elsewhere", text)
    return _ADDRESS.sub("...", _FRAME.sub(_of_the_app, text))


def _of_the_app(frame: re.Match[str]) -> str:
    # asyncio keeps ten frames of where a coroutine was made: ours push its own ones out.
    return frame[0] if frame[1] == __file__ and frame[2] not in {"asgi", "serve", "hear"} else ""


def hear(
    app: App,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path | None,
    *,
    debug: bool = False,
    factory: Any = None,
) -> Heard:
    """``app`` as the body of a request, served unwrapped where there is no ``folder``."""
    heard = Heard()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        heard.seen = await app()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    served: Any = asgi
    if folder is not None:
        served = reqprof.ProfilerMiddleware(asgi, out_dir=folder, strict=True)

    def complain(loop: Any, context: dict[str, Any]) -> None:
        told = [f"{key}: {context[key]!r}" for key in sorted(context) if "traceback" not in key]
        for key in sorted(context):
            if "traceback" in key:
                told += [f"{key}: {frame.name}" for frame in context[key] if own(frame.filename)]
        heard.complaints.append(plain("; ".join(told)))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 60.0
        loop.set_exception_handler(complain)
        loop.set_task_factory(factory)
        await served({"type": "http", "path": "/", "headers": []}, receive, send)
        gc.collect()
        await asyncio.sleep(0.01)

    def unraisable(args: Any) -> None:
        heard.unraisable.append(f"{args.exc_value!r} in {args.object!r}")

    listener = _Listener(heard.logged)
    logging.getLogger("asyncio").addHandler(listener)
    monkeypatch.setattr(sys, "unraisablehook", unraisable)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(serve(), debug=debug)
        gc.collect()
    logging.getLogger("asyncio").removeHandler(listener)
    heard.warned = [plain(f"{each.category.__name__}: {each.message}") for each in caught]
    if folder is not None:
        assert served.flush()
        assert set(served.counters) == {"profiled", "stored", "pruned"}
    return heard


def own(filename: str) -> bool:
    return filename == __file__


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def receive() -> Any:
    return {"type": "http.request"}


async def send(message: Any) -> None: ...


async def child(waits: Awaitable[Any] | None = None) -> str:
    await (asyncio.sleep(0) if waits is None else waits)
    return "child"


def looks(task: asyncio.Task[Any]) -> dict[str, Any]:
    """All that a debugger or a log shows of a task."""
    coroutine: Any = task.get_coro()
    printed = io.StringIO()
    task.print_stack(file=printed)
    return {
        "repr": plain(repr(task)),
        "named": re.sub(r"\d+", "N", task.get_name()),
        "type": type(task).__name__,
        "coroutine": (coroutine.__name__, coroutine.__qualname__, asyncio.iscoroutine(coroutine)),
        "running": coroutine.cr_running,
        "code": coroutine.cr_code.co_name,
        "stack": [frame.f_code.co_name for frame in task.get_stack()],
        "printed": plain(printed.getvalue()),
        "cancelling": task.cancelling(),
    }


async def a_task_looks_the_same() -> Any:
    event = asyncio.Event()
    task = asyncio.create_task(child(event.wait()))
    named = asyncio.create_task(child(), name="by hand")
    seen = [looks(task), looks(named)]
    await asyncio.sleep(0)
    seen.append(looks(task))
    event.set()
    await asyncio.gather(task, named)
    return [*seen, looks(task)]


async def who_runs() -> Any:
    async def inside() -> tuple[bool, str | None]:
        task = asyncio.current_task()
        assert task is not None
        return task in asyncio.all_tasks(), library()

    task = asyncio.create_task(inside())
    return [await task, await inside(), len(asyncio.all_tasks())]


def library() -> str | None:
    try:
        import sniffio
    except ImportError:
        return None
    return sniffio.current_async_library()


async def a_call_graph() -> Any:
    format_call_graph: Any = getattr(asyncio, "format_call_graph", None)
    if format_call_graph is None:  # it came with Python 3.14
        return None
    graphs: list[str | None] = []

    async def deep() -> None:
        graphs.append(format_call_graph())
        await asyncio.sleep(0)

    async def shallow() -> None:
        await deep()

    task = asyncio.create_task(shallow())
    await asyncio.sleep(0)
    graphs.append(format_call_graph(task))
    await task
    return [of_functions(graph) for graph in graphs]


def of_functions(graph: str | None) -> list[str]:
    """A call graph's lines but for the request's own: those of any middleware differ."""
    lines = plain(graph or "").splitlines()
    return [line for line in lines if "shallow" in line or "deep" in line or "await" in line]


async def cancelled_before_its_first_step() -> Any:
    task = asyncio.create_task(child())
    task.cancel("at once")
    outcome = await asyncio.gather(task, return_exceptions=True)
    return [repr(outcome), looks(task)]


async def cancelled_while_it_waits() -> Any:
    cleaned = []

    async def careful() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.append(asyncio.current_task() is task)

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    task.cancel()
    outcome = await asyncio.gather(task, return_exceptions=True)
    return [repr(outcome), cleaned, task.cancelled()]


async def destroyed_while_pending() -> Any:
    # Nothing but the task itself knows what it waits for, so the collector takes both.
    task = asyncio.create_task(child(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    del task
    gc.collect()


async def an_exception_that_nobody_fetches() -> Any:
    async def fails() -> None:
        raise LookupError("nobody asks")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()


async def a_coroutine_that_nobody_awaits() -> Any:
    child()  # type: ignore[unused-coroutine]
    gc.collect()


async def a_task_that_outlives_its_request() -> Any:
    async def lingers() -> None:
        await asyncio.sleep(0.001)

    tasks.append(asyncio.create_task(lingers()))


tasks: list[asyncio.Task[Any]] = []


async def a_task_that_never_ends() -> Any:
    """The loop cancels it when it closes."""
    tasks.append(asyncio.create_task(asyncio.sleep(600)))


async def every_way_to_start_and_await() -> Any:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("told")

    seen: list[Any] = [
        await asyncio.gather(child(), fails(), child(), return_exceptions=True),
        await asyncio.wait_for(child(), 10),
        await asyncio.shield(child()),
        [await each for each in asyncio.as_completed([child(), child()])],
    ]
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.001)
    except TimeoutError as error:
        seen.append(error)
    try:
        async with asyncio.timeout(0.001):
            await asyncio.create_task(asyncio.sleep(60))
    except TimeoutError as error:
        seen.append(error)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(fails())
    except* LookupError as error:
        seen.append(error)
    task = asyncio.current_task()
    assert task is not None
    return [repr(seen), task.cancelling()]


async def contexts_of_its_own() -> Any:
    async def sets() -> str:
        variable.set("in the child")
        await asyncio.sleep(0)
        return variable.get()

    context = contextvars.copy_context()
    seen = [await asyncio.create_task(sets()), variable.get()]
    seen += [await asyncio.create_task(sets(), context=context), context[variable], variable.get()]
    return seen


async def generators_that_are_dropped() -> Any:
    closed = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            closed.append(asyncio.current_task() is not None)

    async def takes_one() -> None:
        async for _ in endless():
            break

    await takes_one()
    await asyncio.create_task(takes_one())
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    return closed


async def exceptions_that_end_loops() -> Any:
    async def stops(error: type[Exception]) -> None:
        raise error

    outcome = await asyncio.gather(
        stops(StopIteration), stops(StopAsyncIteration), return_exceptions=True
    )
    return repr(outcome)


async def threads() -> Any:
    loop = asyncio.get_running_loop()
    return [
        await asyncio.to_thread(variable.get),
        await loop.run_in_executor(None, variable.get),
        repr(await asyncio.gather(asyncio.to_thread(int, "x"), return_exceptions=True)),
    ]


APPS = [
    a_task_looks_the_same,
    who_runs,
    a_call_graph,
    cancelled_before_its_first_step,
    cancelled_while_it_waits,
    destroyed_while_pending,
    an_exception_that_nobody_fetches,
    a_coroutine_that_nobody_awaits,
    a_task_that_outlives_its_request,
    a_task_that_never_ends,
    every_way_to_start_and_await,
    contexts_of_its_own,
    generators_that_are_dropped,
    exceptions_that_end_loops,
    threads,
]
FACTORIES: dict[str, Any] = {"no factory": None, "a factory": asyncio.Task}
FACTORIES["a factory"] = lambda loop, coro, **named: asyncio.Task(coro, loop=loop, **named)
if sys.version_info >= (3, 12):
    FACTORIES["eager"] = asyncio.eager_task_factory


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("app", APPS, ids=lambda app: app.__name__)
def test_an_app_sees_and_hears_what_it_does_unwrapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: App, factory: str, debug: bool
) -> None:
    how = {"debug": debug, "factory": FACTORIES[factory]}
    bare = hear(app, monkeypatch, None, **how)
    wrapped = hear(app, monkeypatch, tmp_path, **how)
    assert wrapped == bare


@pytest.mark.parametrize(
    ("app", "where", "what"),
    [
        (destroyed_while_pending, "complaints", "Task was destroyed but it is pending!"),
        (an_exception_that_nobody_fetches, "complaints", "Task exception was never retrieved"),
        (a_coroutine_that_nobody_awaits, "warned", "was never awaited"),
    ],
)
def test_what_asyncio_complains_about_was_heard_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: App, where: str, what: str
) -> None:
    """Or else the test above compares nothing."""
    assert what in repr(getattr(hear(app, monkeypatch, tmp_path), where))


@pytest.mark.parametrize("middleware", ["plain", "ours"])
def test_nothing_is_said_in_debug_mode_with_warnings_as_errors(
    tmp_path: Path, middleware: str
) -> None:
    need_module("starlette")
    need_module("flask")
    environ = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
    found, said = run(
        "tests.beside.none_process", "first", middleware, str(tmp_path), environ=environ
    )
    assert found["answers"]
    assert [line for line in said.splitlines() if "Executing" not in line] == []

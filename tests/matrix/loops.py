"""The event loops, and how a server would call an app on each."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import anyio

from tests.conftest import need_module
from tests.matrix.visit import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import trio

    from tests.matrix.visit import App, Visit

ASYNCIO = ("asyncio", "uvloop", "eager", "uvloop-eager")
LOOPS = (*ASYNCIO, "trio")

_PATIENCE = 60.0  # seconds for what takes a few milliseconds: a test shall fail, not hang


def impossible(loop: str) -> str | None:
    """Why this Python has no such loop, or ``None`` where it has."""
    if "eager" in loop and sys.version_info < (3, 12):
        return "eager tasks came with Python 3.12"
    if loop == "uvloop-eager" and sys.version_info[:2] == (3, 13):
        return "uvloop does not know Python 3.13's eager_start, a TypeError without us too"
    return None


def need_loop(loop: str) -> None:
    """Ask for the packages of a loop."""
    for package in ("uvloop", "trio"):
        if package in loop:
            need_module(package)


def visit_all(loop: str, app: App, visits: Sequence[Visit]) -> Crowd:
    """Have ``app`` serve all ``visits`` at once; cancel those that are to be, when they are ready.

    What the app left running is released when the last request has ended.
    """
    try:
        if loop == "trio":
            import trio

            return trio.run(_on_trio, app, visits)
        with asyncio.Runner(loop_factory=_factory(loop)) as runner:
            return runner.run(asyncio.wait_for(_on_asyncio(app, visits), _PATIENCE))
    finally:
        _release(visits)


def _factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    def make() -> asyncio.AbstractEventLoop:
        made = asyncio.new_event_loop()
        if "uvloop" in loop:
            import uvloop

            made.close()
            made = uvloop.new_event_loop()
        if "eager" in loop:
            made.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009  3.12
        return made

    return make


async def _on_asyncio(app: App, visits: Sequence[Visit]) -> Crowd:
    crowd = Crowd(visits)
    tasks = [asyncio.create_task(visit.run(app, crowd)) for visit in visits]

    def cancel(number: int) -> None:
        tasks[number].cancel(f"enough of {number}")

    await _cancel(visits, cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    _release(visits)
    await _rest(visits)
    return crowd


async def _on_trio(app: App, visits: Sequence[Visit]) -> Crowd:
    import trio

    crowd = Crowd(visits)
    scopes = [trio.CancelScope() for _ in visits]

    async def scoped(visit: Visit, scope: trio.CancelScope) -> None:
        with scope:
            await visit.run(app, crowd)

    with trio.fail_after(_PATIENCE):
        async with trio.open_nursery() as nursery:
            for visit, scope in zip(visits, scopes, strict=True):
                nursery.start_soon(scoped, visit, scope)
            await _cancel(visits, lambda number: scopes[number].cancel())
        _release(visits)
        await _rest(visits)
    return crowd


async def _cancel(visits: Sequence[Visit], cancel: Callable[[int], None]) -> None:
    """Cancel each as soon as it is ready: some may only become ready when others are gone."""
    waiting = [number for number, visit in enumerate(visits) if visit.kind.cancelled]
    while waiting:
        ready = [number for number in waiting if visits[number].own.ready]
        for number in ready:
            cancel(number)
            visits[number].own.cancelled = True
        waiting = [number for number in waiting if number not in ready]
        await anyio.sleep(0.0005)


def _release(visits: Sequence[Visit]) -> None:
    for visit in visits:
        visit.own.released = True


async def _rest(visits: Sequence[Visit]) -> None:
    """Until what was left running has ended."""
    for visit in visits:
        if visit.kind.left:
            await visit.own.until("finished")
    await anyio.sleep(0.001)

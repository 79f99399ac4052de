"""The server's side of one request: what the app is called with, and what became of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import anyio

from tests.client import http_scope
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tests.matrix.kind import Kind

    Scope = dict[str, Any]
    App = Callable[[Any, Any, Any], Awaitable[None]]

BODY = {"type": "http.request", "body": b"", "more_body": False}


class Crowd:
    """All visits of one run: how many were inside the app at once, and what they share."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        self.coming = sum(visit.kind.meets for visit in visits)
        self.inside = 0
        self.most = 0
        self.has_pool = False
        self.shared: Any = None
        self.all_here = anyio.Event()
        self.lock = anyio.Lock()

    def __enter__(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        self.inside -= 1

    async def meet(self) -> None:
        """Wait for all the others that come here; the last one wakes them."""
        self.coming -= 1
        if self.coming == 0:
            self.all_here.set()
        else:
            await self.all_here.wait()


class Visit:
    """One request, its messages, and its outcome."""

    def __init__(self, number: int, kind: Kind) -> None:
        self.own = Own(number)
        self.kind = kind
        self.messages = list(kind.messages)
        self.sent: list[Any] = []
        self.error: BaseException | None = None
        self.value: object = None
        self.scope: Scope = {
            **http_scope(f"/{number}"),
            "own": self.own,
            "kind": kind.name,
            **kind.scope,
        }

    async def run(self, app: App, crowd: Crowd) -> None:
        """Call the app. Cancellation goes on to the caller, whose it is."""
        self.scope["crowd"] = crowd
        self.gone = anyio.Event()
        try:
            with crowd:
                await app(self.scope, self.receive, self.send)
        except Exception as error:
            self.error = error
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.value = VARIABLE.get()

    async def receive(self) -> Any:
        await self.own.pause()
        if self.messages:
            return self.messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        await self.own.pause()
        if message.get("body") == b"the last that the client reads":
            self.gone.set()

    def outcome(self) -> dict[str, Any]:
        """What the client, the server and the app saw: the same with a profiler as without."""
        return {
            "sent": self.sent,
            "errors": [
                (type(error).__name__, _words(error.args), error is self.own.error)
                for error in leaves(self.error)
            ],
            "value": self.value,
            "seen": sorted(map(_words, self.own.seen)),
            "calls": None if self.kind.left else self.own.counts(),
            "tasks": len(self.own.tasks),
            "jobs": len(self.own.jobs),
        }


def _words(what: object) -> str:
    # Cancellations name the task they come from, with its address.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(what))


def leaves(error: BaseException | None) -> Iterator[BaseException]:
    """An error, or those in a group of them."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    elif error is not None:
        yield error

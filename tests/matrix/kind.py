"""A kind of request: a small app that counts its own calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tests.matrix.loops import LOOPS
from tests.matrix.visit import BODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.matrix.visit import App, Scope

A = TypeVar("A", bound="App")


@dataclass(frozen=True)
class Kind:
    """An app, and how a server meets it."""

    name: str
    app: App
    loops: tuple[str, ...] = LOOPS
    scope: Scope = field(default_factory=dict)  # over the ordinary one
    messages: tuple[Any, ...] = (BODY,)
    cancelled: bool = False  # by the server, when the app is ready
    meets: bool = False  # it waits for the others of its kind
    library: bool = False  # it starts tasks and jobs besides those that the app counts
    own_loop: bool = False  # a loop is among its own work
    uncounted: tuple[str, ...] = ()  # places whose calls need not count: see docs/limits.md
    left: int = 0  # tasks and jobs that go on when the app has returned


KINDS: dict[str, Kind] = {}

WEBSOCKET: dict[str, Any] = {
    "scope": {"type": "websocket", "scheme": "ws", "subprotocols": []},
    "messages": (
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "text": "two"},
        {"type": "websocket.disconnect", "code": 1000},
    ),
}


def kind(**how: Any) -> Callable[[A], A]:
    """Make an app a kind, by its name."""

    def enter(app: A) -> A:
        add(app.__name__, app, **how)
        return app

    return enter


def add(name: str, app: App, **how: Any) -> None:
    """Add an app that has no name of its own."""
    assert name not in KINDS
    KINDS[name] = Kind(name, app, **how)


async def respond(scope: Scope, send: Any, *chunks: bytes) -> None:
    """Answer with the request's number, and more if told."""
    number = str(scope["own"].number).encode()
    headers = [(b"x-number", number)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": number})

"""Which recorded request is at work here: what it starts elsewhere counts for it."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from reqprof.record.engines.clock import unseen
from reqprof.record.engines.cprofile import active

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context, Token

    from reqprof.record.recorder import Recording

_request: ContextVar[Recording | None] = ContextVar("reqprof_request", default=None)
_find = unseen(_request.get)
_wrapped: set[object] = set()


def follow(recording: Recording) -> Token[Recording | None]:
    """From now on this context works for ``recording``, also where nothing is recorded."""
    return _request.set(recording)


def unfollow(token: Token[Recording | None]) -> None:
    """Undo :func:`follow`."""
    with suppress(ValueError, RuntimeError):  # closed by a collection, in another context
        _request.reset(token)


def at_work(context: Context | None = None) -> Recording | None:
    """The request that this thread records, or else the one that this context, or that, is of.

    None where it has ended, or follows nothing. In a stretch: shows in no profile.
    """
    session = active()
    recording = _find() if session is None else session.owner
    if recording is None and session is None and context is not None:
        recording = context.get(_request)
    return recording if recording is not None and recording.follows() else None


def once(wrap: Callable[..., None], *arguments: str) -> None:
    """Call ``wrap`` unless it has been called, in this process, with the same arguments."""
    if (wrap, arguments) not in _wrapped:
        _wrapped.add((wrap, arguments))
        wrap(*arguments)

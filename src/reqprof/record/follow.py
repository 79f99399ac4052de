"""Which recorded request is at work here: what it starts elsewhere counts for it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from reqprof.record.engines.choose import active
from reqprof.record.engines.clock import unseen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context, Token

    from reqprof.record.recording import Recording

# Of a context: the request that it works for; False where it works for the server again.
_request: ContextVar[Recording | Literal[False] | None] = ContextVar(
    "reqprof_request", default=None
)
_find = unseen(_request.get)
_set = unseen(_request.set)
_reset = unseen(_request.reset)
_wrapped: set[object] = set()


def follow(recording: Recording | Literal[False]) -> Token[Any]:
    """From now on this context works for ``recording``, also where nothing is recorded.

    With False for nobody: what the server does inside ``send`` may begin the next request.
    """
    return _set(recording)


def unfollow(token: Token[Any]) -> None:
    """Undo :func:`follow`."""
    try:  # noqa: SIM105  suppress() would be seen
        _reset(token)
    except (ValueError, RuntimeError):
        pass  # closed by a collection, in another context


def at_work(context: Context | None = None) -> Recording | None:
    """The request that this thread records, or else the one that this context, or that, is of.

    None where it has ended, or follows nothing. In a stretch: shows in no profile.
    """
    found = current()
    if found is None and context is not None and _find() is None and active() is None:
        found = context.get(_request, None) or None
    return found if found is not None and found.follows() else None


def current() -> Recording | None:
    """The request that this code belongs to, also where that follows nothing.

    None where there is none, or it has ended. In a stretch: shows in no profile.
    """
    found = _find()
    if found is False:
        return None
    session = active()
    if session is not None:
        found = session.owner
    return found if found and not found.ended else None


def once(wrap: Callable[..., None], *arguments: str) -> None:
    """Call ``wrap`` unless it has been called, in this process, with the same arguments."""
    if (wrap, arguments) not in _wrapped:
        _wrapped.add((wrap, arguments))
        wrap(*arguments)

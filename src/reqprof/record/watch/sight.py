"""What the watch needs to see a request from outside: its thread or greenlet, or its tasks."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from reqprof.record.engines.clock import unseen
from reqprof.record.watch import stacks
from reqprof.store.native import original

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context, Token
    from types import CodeType

    from reqprof.record.notes import Frames
    from reqprof.record.timed import Timed
    from reqprof.record.watch.stacks import Running
    from reqprof.record.watch.watch import Watch
    from reqprof.record.watch.watched import Watched

_doors: set[CodeType] = set()
_thread: Callable[[], int] = original("_thread", "get_ident")  # gevent's is one of greenlets


def begins_at(*doors: CodeType) -> None:
    """Tell the code of the doors: what they call is the request's."""
    _doors.update(doors)


class Sight:
    """One request in flight that is not profiled. ``watched`` is what has been seen of it so far.

    It and its ``timed`` know each other until the request ends.
    """

    __slots__ = ("_watch", "among", "thread", "timed", "watched")

    among: dict[Sight, bool]  # the watch's requests, of the process that the request is in

    def __init__(self, timed: Timed, watch: Watch) -> None:
        self.timed: Timed | None = timed
        self.thread = _thread()
        self.watched: Watched | None = None
        self._watch = watch
        timed.sight = self
        among = self.among = watch.sights
        among[self] = True
        if not watch.watcher.runs:
            watch.watcher.start()

    def stack(self, running: Running) -> tuple[Frames, bool]:
        """Where it is, outermost first, and whether it is at work there, and not suspended."""
        raise NotImplementedError

    def started(self, task: Any) -> None:
        """It has started a task."""

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, as a pool's thread is to call it for the request."""
        return function

    def end(self, ended: tuple[Any, ...], error: BaseException | None) -> bool:
        """The request is over; whether the watch takes over what is known of its end."""
        timed, self.timed = self.timed, None
        if timed is None:
            return False
        is_whole = self.among.pop(self, False)  # or else it was left: only one gets it
        if self.watched is None and error is None:
            return False  # as nearly all
        return self._watch.end(self, timed, ended, error, is_whole=is_whole)


class ThreadSight(Sight):
    """A request that one thread works on, or one greenlet.

    Its stack begins below the door; where it is a ``block`` of a function, with that function.
    """

    __slots__ = ("_block", "_greenlet")

    def __init__(self, timed: Timed, watch: Watch, block: CodeType | None = None) -> None:
        self._block = block
        # It may be half imported.
        current = getattr(sys.modules.get("greenlet"), "getcurrent", None)
        self._greenlet = None if current is None else current()
        super().__init__(timed, watch)

    def stack(self, running: Running) -> tuple[Frames, bool]:
        if self._greenlet is None:
            frames = stacks.of_frame(running.get(self.thread))
        else:
            frames = stacks.of_greenlet(self._greenlet, self.thread, running)
        if self._block is not None:
            return stacks.since(frames, self._block), True
        return stacks.inside(frames, _doors), True


def at_work(context: Context | None = None) -> Sight | None:
    """The request that this context, or that one, works for. In a stretch: shows in no profile."""
    found = _get() if context is None else context.get(_current)
    return found if found is not None and found.timed is not None else None


def work_for(sight: Sight | None) -> Token[Any]:
    """From now on this context works for that request.

    With None for nobody: what the server does inside ``send`` may begin the next request.
    """
    return _set(sight)


def work_on(token: Token[Any]) -> None:
    """Undo :func:`work_for`."""
    try:  # noqa: SIM105  suppress() would be seen
        _reset(token)
    except (ValueError, RuntimeError):
        pass  # closed by a collection, in another context


# In a stretch: nothing that a profile would show.
_current: ContextVar[Sight | None] = ContextVar("reqprof_sight", default=None)
_get = unseen(_current.get)
_set = unseen(_current.set)
_reset = unseen(_current.reset)

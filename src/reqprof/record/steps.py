"""A coroutine of a request, stepped by hand: recorded while it runs, and not while it waits."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from reqprof.record.engines.clock import now, unseen
from reqprof.record.notes import frames

if TYPE_CHECKING:
    from reqprof.record.notes import Frames
    from reqprof.record.recording import Recording

_attribute = unseen(getattr)


class Steps(Coroutine[Any, Any, Any]):
    """Stands in the place of a coroutine and passes everything on to it.

    A class and not an ``async def``, so that what closes it, or throws into it, before it has begun
    reaches the coroutine itself, and so that debuggers see that one's name, state and stack.
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], recording: Recording, *, child: bool = False
    ) -> None:
        self.coroutine = coroutine
        self._recording: Recording | None = recording
        self._session = recording.session
        self._child = child
        self._running = False
        self._send = unseen(coroutine.send)
        self._since = 0.0  # when it last began, or stopped, to run
        self._frames: Frames | None = None
        self.__name__ = _attribute(coroutine, "__name__", "")
        self.__qualname__ = _attribute(coroutine, "__qualname__", "")
        if child:
            recording.notes.task_began()

    def send(self, value: Any) -> Any:
        if self._running:  # a task that steps itself: for the coroutine to refuse
            return self._send(value)
        stretch = self._begin()
        try:
            awaited = self._send(value)
        except BaseException:
            self._finish(stretch)
            raise
        self._suspend(stretch)
        return awaited

    def throw(self, *error: Any) -> Any:
        throw = unseen(self.coroutine.throw)
        if self._running:
            return throw(*error)
        stretch = self._begin()
        try:
            awaited = throw(*error)
        except BaseException:
            self._finish(stretch)
            raise
        self._suspend(stretch)
        return awaited

    def close(self) -> None:
        close = unseen(self.coroutine.close)
        if self._running:
            close()
            return
        stretch = self._begin()
        try:
            close()
        finally:
            self._finish(stretch)

    def __await__(self) -> Steps:
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coroutine, name)

    def waiting(self) -> tuple[Frames, float] | None:
        """Where it is suspended now, and since when; None while it runs."""
        suspended, since = self._frames, self._since
        return None if suspended is None else (suspended, since)

    def _begin(self) -> Any:
        self._running = True
        recording = self._recording
        if recording is None or recording.ended:
            # Nobody counts any more, and nothing of the request is to be kept alive.
            self._recording = self._frames = None
            return None
        # A fault in what is noted costs the profile, and is not the app's to know.
        try:
            began = now()
            if self._frames is not None:
                recording.notes.wait(self._frames, began - self._since, child=self._child)
                self._frames = None
            self._since = began
        except Exception as error:
            self._session.fault = error
        return self._session.enter()

    def _suspend(self, stretch: Any) -> None:
        cpu = self._session.leave(stretch, 2)
        self._running = False
        if self._recording is not None:
            try:
                self._frames = frames(self.coroutine)
                self._pause(self._recording, stretch, cpu)
            except Exception as error:
                self._session.fault = error

    def _finish(self, stretch: Any) -> None:
        cpu = self._session.leave(stretch, 2)
        self._running = False
        if self._recording is not None:
            try:
                self._pause(self._recording, stretch, cpu)
                if self._child:
                    self._recording.notes.done()
            except Exception as error:
                self._session.fault = error
            self._recording = self._frames = None

    def _pause(self, recording: Recording, stretch: Any, cpu: float) -> None:
        stopped = now()
        ran = stopped - self._since
        self._since = stopped
        if self._child:
            recording.notes.tasks_ran += ran
        if stretch is not None and recording.company is not None:
            recording.company.step(ran, cpu)


class _Ended:
    """A session in which nothing happens any more."""

    fault: Exception | None = None

    def close(self) -> None:
        return None

    def frames(self) -> Frames:
        return []

    def enter(self) -> None:
        return None

    def leave(self, stretch: None, frames: int = 1) -> float:
        return 0.0


ENDED: Any = _Ended()

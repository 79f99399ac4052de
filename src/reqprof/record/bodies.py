"""What a WSGI server is given for an app's iterable, whose end is the request's (PEP 3333)."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from reqprof.record.watch.sight import begins_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reqprof.record.recording import Recording
    from reqprof.record.timed import Timed


def recorded(
    recording: Recording, body: Iterable[bytes], environ: dict[str, Any]
) -> Iterable[bytes]:
    """The body of a request that is profiled."""
    if _is_file(environ, body):
        # Servers send their own file objects by other means than reading them.
        recording.first_byte()
        if not _hook_close(recording, body):
            recording.end()
        return body
    return (_SizedBody if hasattr(body, "__len__") else _Body)(recording, body)


def timed(timed: Timed, body: Iterable[bytes], environ: dict[str, Any]) -> Iterable[bytes]:
    """The body of a request that is not."""
    if "wsgi.file_wrapper" in environ and _is_file(environ, body):
        if not _hook_close(timed, body):
            timed.end()
        return body
    if hasattr(body, "__len__"):
        return _TimedSizedBody(timed, body)
    return (_TimedBody if timed.sight is None else _WatchedBody)(timed, body)


def _is_file(environ: dict[str, Any], body: object) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return wrapper is not None and hasattr(body, "read")


def _hook_close(recording: Recording | Timed, body: Any) -> bool:
    try:
        own = vars(body).get("close")
        body.close = _Close(recording, weakref.ref(body), own)
        # A server may also drop it unclosed.
        weakref.finalize(body, recording.abandon).atexit = False
    except Exception:
        return False
    return True


class _Close:
    """In the place of a body's ``close()``; keeps nothing alive."""

    def __init__(self, recording: Recording | Timed, body: weakref.ref[Any], own: Any) -> None:
        self._recording = recording
        self._body = body
        self._own = own  # what the body itself had, and not its class

    def __call__(self) -> None:
        body = self._body()
        if body is None:
            return
        if self._own is None:
            del body.close
        else:
            body.close = self._own
        close = _unseen(getattr(body, "close", None))
        session = self._recording.session
        stretch = session.enter()
        try:
            if close is not None:
                close()
        finally:
            session.leave(stretch)
            self._recording.end()


class _Body:
    """The app's iterable, recorded while it makes each chunk and while it closes."""

    def __init__(self, recording: Recording, body: Iterable[bytes]) -> None:
        self._recording = recording
        self._body = body
        self._next: Callable[[], bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        recording = self._recording
        session = recording.session
        stretch = session.enter()
        try:
            if self._next is None:
                self._next = partial(_iterate(self._body).__next__)
            chunk = self._next()
        except StopIteration:
            recording.last_byte()
            raise
        except BaseException as error:
            recording.exception = type(error).__name__
            raise
        finally:
            session.leave(stretch)
        if chunk:
            recording.first_byte()
        return chunk

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._recording.last_byte()
        close = _unseen(getattr(self._body, "close", None))
        error: BaseException | None = None
        session = self._recording.session
        stretch = session.enter()
        try:
            if close is not None:
                close()
        except BaseException as raised:
            error = raised
            raise
        finally:
            session.leave(stretch)
            self._recording.end(error)
            error = None

    def __del__(self) -> None:
        # A server that drops the body without closing it still ends the profile.
        if not self._closed:
            self._recording.abandon()


class _SizedBody(_Body):
    """For a body with a length: servers make a Content-Length of it."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


class _TimedBody:
    """The app's iterable, whose end is the request's; its chunks pass by."""

    __slots__ = ("_body", "_timed")

    def __init__(self, timed: Timed, body: Iterable[bytes]) -> None:
        self._timed = timed
        self._body: Any = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        timed = self._timed
        close = getattr(self._body, "close", None)
        if close is not None:
            timed.last_byte()  # it has been sent when the server closes the body
            try:
                close()
            except BaseException as error:
                timed.end(error)
                raise
        timed.end()

    def __del__(self) -> None:
        # A server may also drop it unclosed.
        if self._timed.waiting is not None:
            self._timed.end()


class _TimedSizedBody(_TimedBody):
    """For a body with a length: servers make a Content-Length of it."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)


class _WatchedBody(_TimedBody):
    """For an iterator of a request that may be watched: at work in it the request is seen."""

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        return _chunks(iter(self._body))


def _chunks(body: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in body:  # noqa: UP028  "yield from" would close it where the server gives it up
        yield chunk


begins_at(_chunks.__code__)


# A profile shows calls of C functions; it does not see those made through a partial object.
_iterate: Callable[[Iterable[bytes]], Iterator[bytes]] = partial(iter)


def _unseen(function: Callable[[], object] | None) -> Callable[[], object] | None:
    return None if function is None else partial(function)

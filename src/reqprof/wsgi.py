"""The WSGI door: a request from the call of the app to the ``close()`` of its body (PEP 3333)."""

from __future__ import annotations

import sys
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from reqprof.record import announce, route, spans, start
from reqprof.record.admission import HEADERS, TRACEPARENT, Arrival
from reqprof.record.printing import Printer
from reqprof.record.sight import ThreadSight, begins_at
from reqprof.record.timed import Timed
from reqprof.store import naming

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike
    from typing import TextIO

    from reqprof.record.options import Options
    from reqprof.record.recording import Recording
    from reqprof.record.timed import Template

    Environ = dict[str, Any]
    Write = Callable[[bytes], object]
    StartResponse = Callable[..., Write]
    App = Callable[[Environ, StartResponse], Iterable[bytes]]

_frame = partial(sys._getframe)
_KEYS = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in HEADERS}


class ProfilerMiddleware(start.Door):
    """Profiles the requests of a WSGI app into ``out_dir``.

    ``stream``, ``sort_by``, ``restrictions``, ``profile_dir`` (another name for ``out_dir``) and
    ``filename_format`` mean what they mean to werkzeug's middleware. The other options are those of
    :class:`reqprof.record.options.Settings`. Raises TypeError or ValueError for a bad argument; a
    bad environment only switches profiling off, for as long as it lasts, and is counted in
    :attr:`counters` and logged.
    """

    def __init__(
        self,
        app: App,
        out_dir: str | PathLike[str] | None = None,
        *,
        stream: TextIO | None = None,
        sort_by: Iterable[str] = ("time", "calls"),
        restrictions: Iterable[str | int | float] = (),
        profile_dir: str | PathLike[str] | None = None,
        filename_format: str | naming.NameMaker | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.app = app
        try:
            naming.check_template(filename_format)
            self._recorder = start.recorder(
                _one_folder(out_dir, profile_dir),
                template=filename_format,
                finished=None if stream is None else Printer(stream, sort_by, restrictions),
                **options,
            )
        except Exception as error:
            if options.get("strict") or not start.serving():
                raise
            start.off(error)
        self._keep_environ = callable(filename_format)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        recorder = self._recorder
        if recorder is None:
            return self.app(environ, start_response)
        recording = recorder.begin(_arrival, _header, environ)
        if recording is None:
            waiting = recorder.upkeep.waiting()
            if waiting is None:
                return self.app(environ, start_response)
            timed = _Timed(waiting, environ, start_response)
            if recorder.watch is not None:
                ThreadSight(timed, recorder.watch)
            return self._timed(timed, environ)
        if self._keep_environ:
            recording.environ = environ
        session, stretch = recording.session, None
        try:
            exchange = _Exchange(recording, environ, start_response)
            stretch = session.enter()
            body = self.app(environ, exchange.start_response)
        except BaseException as error:
            session.leave(stretch)
            recording.end(error)
            raise
        session.leave(stretch)
        try:
            return exchange.wrap(body)
        except Exception:  # a body that does not even let itself be looked at
            recording.end()
            return body

    def _timed(self, timed: _Timed, environ: Environ) -> Iterable[bytes]:
        """The response of a request that is not profiled."""
        try:
            body = self.app(environ, timed.start_response)
        except BaseException as error:
            timed.end(error)
            raise
        try:
            return timed.wrap(body)
        except Exception:  # a body that does not even let itself be looked at
            timed.end()
            return body


class _Exchange:
    """One request and its response, noted as they pass."""

    def __init__(
        self, recording: Recording, environ: Environ, start_response: StartResponse
    ) -> None:
        self.recording = recording
        recording.find_template = self._template
        self._environ = environ
        self._start_response = start_response
        self._match: Any = None

    def start_response(self, status: str, *rest: Any, **named: Any) -> Write:
        # Runs in a stretch: nothing here that a profile would show.
        try:  # noqa: SIM105  suppress() would be seen
            self.recording.status = int(status[:3])
        except (TypeError, ValueError):
            pass  # the server's to complain about
        self._match = route.flask_match(self._environ) or route.open_match(_frame().f_back)
        spans.mark(self.recording)
        if self.recording.announces:
            rest = announce.wsgi(self.recording, rest)
        server_write = self._start_response(status, *rest, **named)

        def write(data: bytes) -> object:
            self.recording.first_byte()
            return server_write(data)

        return write

    def wrap(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """What the server is given for ``body``."""
        if _is_file(self._environ, body):
            # Servers send their own file objects by other means than reading them.
            self.recording.first_byte()
            if not _hook_close(self.recording, body):
                self.recording.end()
            return body
        kind = _SizedBody if hasattr(body, "__len__") else _Body
        return kind(self.recording, body)

    def _template(self) -> str | None:
        return route.from_match(self._match, str(self._environ.get("SCRIPT_NAME", "")))


def _is_file(environ: Environ, body: object) -> bool:
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


class _Timed(Timed):
    """An unprofiled request and its response, noted as they pass."""

    __slots__ = ("_environ", "_match", "_start_response")

    def __init__(
        self, waiting: deque[Any], environ: Environ, start_response: StartResponse
    ) -> None:
        self._waiting = waiting
        self._environ = environ
        self._start_response = start_response
        self._match = self.status = self.exception = self.sight = None
        self._last = 0.0
        self.began = time.perf_counter()

    def start_response(self, status: str, *rest: Any, **named: Any) -> Write:
        self.status = status
        self._match = route.flask_match(self._environ)
        if self._match is None and route.may_be_open():
            self._match = route.open_match(_frame().f_back)
        return self._start_response(status, *rest, **named)

    def wrap(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """What the server is given for ``body``."""
        if "wsgi.file_wrapper" in self._environ and _is_file(self._environ, body):
            if not _hook_close(self, body):
                self.end()
            return body
        return (_TimedSizedBody if hasattr(body, "__len__") else _TimedBody)(self, body)

    def known(self) -> tuple[str, str, str, Template]:
        try:
            match = self._match or route.flask_match(self._environ)  # it runs, or has just begun
            template = route.from_match(match, self._environ.get("SCRIPT_NAME", ""))
        except Exception:  # an object of the app's that only looks like a route
            template = None
        return (*_names(self._environ), template)

    def arrival(self) -> Arrival:
        return _arrival(self._environ)


class _TimedBody:
    """The app's iterable, whose end is the request's; its chunks pass by."""

    __slots__ = ("_body", "_timed")

    def __init__(self, timed: _Timed, body: Iterable[bytes]) -> None:
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
        self._timed.end()


class _TimedSizedBody(_TimedBody):
    """For a body with a length: servers make a Content-Length of it."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)


route.end_at(ProfilerMiddleware.__call__.__code__, ProfilerMiddleware._timed.__code__)
begins_at(ProfilerMiddleware._timed.__code__)

# A profile shows calls of C functions; it does not see those made through a partial object.
_iterate: Callable[[Iterable[bytes]], Iterator[bytes]] = partial(iter)


def _unseen(function: Callable[[], object] | None) -> Callable[[], object] | None:
    return None if function is None else partial(function)


def _one_folder(
    out_dir: str | PathLike[str] | None, profile_dir: str | PathLike[str] | None
) -> str | PathLike[str]:
    if out_dir is not None and profile_dir is not None:
        raise TypeError("out_dir and profile_dir are two names of one folder; give one of them")
    if out_dir is None:
        return "profiles" if profile_dir is None else profile_dir
    return out_dir


def _header(environ: Environ, name: str) -> str | None:
    return environ.get(_KEYS[name])


def _names(environ: Environ) -> tuple[str, str, str]:
    """Kind, method and path."""
    # WSGI gives a path's bytes as Latin-1; they are nearly always UTF-8.
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    if not path.isascii():
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    return "http", str(environ.get("REQUEST_METHOD", "")), path


def _arrival(environ: Environ) -> Arrival:
    kind, method, path = _names(environ)
    return Arrival(kind, method, path, traceparent=_header(environ, TRACEPARENT))

"""The WSGI door: a request from the call of the app to the ``close()`` of its body (PEP 3333)."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from reqprof.record import bodies, route, start
from reqprof.record.choice.arrival import HEADERS, TRACEPARENT, Arrival
from reqprof.record.telling import announce, spans
from reqprof.record.telling.printing import Printer
from reqprof.record.timed import Known, Timed
from reqprof.record.watch.sight import ThreadSight, begins_at
from reqprof.store import naming

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable
    from os import PathLike
    from typing import TextIO

    from reqprof.record.options import Options
    from reqprof.record.recording import Recording

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
            return bodies.timed(timed, body, environ)
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
        return bodies.recorded(self.recording, body, self._environ)

    def _template(self) -> str | None:
        return route.from_match(self._match, str(self._environ.get("SCRIPT_NAME", "")))


class _Timed(Timed):
    """An unprofiled request and its response, noted as they pass."""

    __slots__ = ("_environ", "_match", "_start_response")

    def __init__(
        self, waiting: deque[Any], environ: Environ, start_response: StartResponse
    ) -> None:
        self.waiting = waiting
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

    def given(self) -> tuple[Any, ...]:
        get, match = self._environ.get, self._match
        if self.status is None:  # it runs on
            match = route.flask_match(self._environ)
        return get("REQUEST_METHOD", ""), get("SCRIPT_NAME", ""), get("PATH_INFO", ""), match

    def arrival(self) -> Arrival:
        return _arrival(self._environ)


route.end_at(ProfilerMiddleware.__call__.__code__, ProfilerMiddleware._timed.__code__)
begins_at(ProfilerMiddleware._timed.__code__)


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


def _known(method: object, mounted: object, path: object, match: Any) -> Known:
    try:
        template = route.from_match(match, str(mounted))
    except Exception:  # an object of the app's that only looks like a route
        template = None
    return Known("http", str(method), _path(mounted, path), template)


def _path(mounted: object, path: object) -> str:
    # WSGI gives a path's bytes as Latin-1; they are nearly always UTF-8.
    whole = f"{mounted}{path}"
    if not whole.isascii():
        whole = whole.encode("latin-1", "replace").decode("utf-8", "replace")
    return whole


def _arrival(environ: Environ) -> Arrival:
    return Arrival(
        kind="http",
        method=str(environ.get("REQUEST_METHOD", "")),
        path=_path(environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")),
        traceparent=_header(environ, TRACEPARENT),
    )


_Timed.tell = staticmethod(_known)

"""The ASGI door: http requests and websocket sessions, from the call of the app to its return."""

from __future__ import annotations

import sys
import time
from functools import partial
from inspect import CO_COROUTINE
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Unpack

from reqprof.record import route, start
from reqprof.record.choice.arrival import HEADERS, TRACEPARENT, Arrival
from reqprof.record.follow import follow, unfollow
from reqprof.record.steps import Steps
from reqprof.record.tasks import Followed, watched
from reqprof.record.telling import announce, spans
from reqprof.record.timed import Known, Timed
from reqprof.record.watch.sight import work_for, work_on
from reqprof.store.background import BACKGROUND, EXIT_SECONDS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping
    from os import PathLike
    from types import FrameType

    from reqprof.record.options import Options
    from reqprof.record.recorder import Recorder
    from reqprof.record.recording import Recording

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PROFILED = ("http", "websocket")
_ENDPOINTS = (FunctionType, MethodType, type)
_frame = partial(sys._getframe)
_KEYS = {name: name.encode() for name in HEADERS}


class ProfilerMiddleware(start.Door):
    """Profiles the requests of an ASGI 3 app into ``out_dir``.

    The options are those of :class:`reqprof.record.options.Settings`. Raises TypeError or
    ValueError for a bad argument; a bad environment only switches profiling off, for as long as it
    lasts, and is counted in :attr:`counters` and logged.
    """

    def __init__(
        self,
        app: App,
        out_dir: str | PathLike[str] = "profiles",
        **options: Unpack[Options],
    ) -> None:
        self.app = app
        self._call: Any = app if _is_async(app) else partial(_called, app)
        try:
            self._recorder = start.recorder(out_dir, **options)
        except Exception as error:
            if options.get("strict") or not start.serving():
                raise
            start.off(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self._recorder
        if recorder is None:
            await self.app(scope, receive, send)
            return
        if scope.get("type") not in _PROFILED:
            if scope.get("type") == "lifespan":
                recorder.ready()
            await self.app(scope, receive, send)
            if scope.get("type") == "lifespan":
                # Some servers end by a signal as soon as the app has shut down: no exit handler
                # would run.
                BACKGROUND.drain(EXIT_SECONDS)
            return
        recording = recorder.begin(_arrival, _header, scope)
        if recording is None:
            await self._unprofiled(recorder, scope, receive, send)
            return
        with Followed(recorder, recording):
            exchange = _Exchange(recording, scope, send)
            recording.find_template = exchange.template
            recording.steps = Steps(self._call(scope, receive, exchange.send), recording)
            await recording.steps

    async def _unprofiled(
        self, recorder: Recorder, scope: Scope, receive: Receive, send: Send
    ) -> None:
        waiting = recorder.upkeep.waiting()
        if waiting is None:
            await self.app(scope, receive, send)
            return
        timed = _Timed(waiting, scope, send)
        error: BaseException | None = None
        try:
            if recorder.watch is None or scope["type"] == "websocket":
                await self.app(scope, receive, timed.send)
            else:
                coroutine = self._call(scope, receive, timed.send)
                token = watched(recorder, timed, coroutine, receive)
                try:
                    await coroutine
                finally:
                    work_on(token)
        except BaseException as raised:
            error = raised
            raise
        finally:
            timed.end(error)
            error = None  # no cycle of frame and traceback


class _Exchange:
    """One request's messages to the server, noted as they pass."""

    def __init__(self, recording: Recording, scope: Scope, send: Send) -> None:
        self._recording = recording
        self._scope = scope
        self._send = send
        self._match: Any = None

    def send(self, message: Message) -> Awaitable[None]:
        try:
            last = self._note(message)
            if self._recording.announces:
                message = announce.asgi(self._recording, message)
        except Exception:
            last = False  # a malformed message is the server's to complain about
        return self._send_last(message) if last else self._send(message)

    def _note(self, message: Message) -> bool:
        """Whether ``message`` ends the response."""
        # Runs in a stretch: subscripts and partial objects only, as no profile shows those.
        kind, recording = message["type"], self._recording
        if kind == "http.response.body":
            recording.first_byte()
            try:
                return not message["more_body"]
            except KeyError:
                return True
        if kind == "http.response.start" or kind == "websocket.http.response.start":
            recording.status = message["status"]
            self._match = self._matched()
            spans.mark(recording)
        elif kind == "websocket.accept":
            recording.status = 101
            self._match = self._matched()
            spans.mark(recording)
            recording.first_byte()
        elif kind == "websocket.close" and recording.status is None:
            recording.status = 403  # what servers answer to one that was not accepted
        elif kind == "http.response.pathsend":
            recording.first_byte()
            return True
        return False

    def _matched(self) -> Any:
        steps = self._recording.steps
        frame = _frame().f_back
        return _matched(self._scope, frame, None if steps is None else steps.coroutine)

    async def _send_last(self, message: Message) -> None:
        token = follow(False)
        try:
            await self._send(message)
        finally:
            unfollow(token)
        self._recording.last_byte()

    def template(self) -> str | None:
        return route.from_match(self._match) or route.from_scope(self._scope)


class _Timed(Timed):
    """An unprofiled request and its messages to the server, noted as they pass."""

    __slots__ = ("_match", "_scope", "_send")

    def __init__(self, waiting: deque[Any], scope: Scope, send: Send) -> None:
        self.waiting = waiting
        self._scope = scope
        self._send = send
        self._match = self.status = self.exception = self.sight = None
        self._last = 0.0
        self.began = time.perf_counter()

    def send(self, message: Message) -> Awaitable[None]:
        try:
            kind = message["type"]
            if kind == "http.response.body":
                if not message.get("more_body", False):
                    return self._send_last(message)
            elif kind in _BEGINS:
                self.status = _BEGINS[kind] or message["status"]
                if route.may_be_open():
                    self._match = _matched(self._scope, _frame().f_back)
            elif kind == "http.response.pathsend":
                return self._send_last(message)
            elif kind == "websocket.close" and self.status is None:
                self.status = 403  # what servers answer to one that was not accepted
        except Exception:  # noqa: S110  a malformed message is the server's to complain about
            pass
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        token = None if self.sight is None else work_for(None)
        try:
            await self._send(message)
        finally:
            if token is not None:
                work_on(token)
        self.last_byte()

    def given(self) -> tuple[Any, ...]:
        scope = self._scope
        return scope["type"], scope.get("method"), self._match, route.part_of(scope)

    def arrival(self) -> Arrival:
        return _arrival(self._scope)


_BEGINS = {"http.response.start": 0, "websocket.http.response.start": 0, "websocket.accept": 101}


def _matched(scope: Scope, frame: FrameType | None, awaiting: Any = None) -> Any:
    """What a framework has matched that does not tell the scope of it."""
    try:
        if scope["endpoint"].__class__ in _ENDPOINTS:
            return None  # the scope will tell, and nothing mounted there knows better
    except KeyError:
        pass
    # Some frameworks send the response from a task of its own, which does not know the request.
    return route.open_match(frame, awaiting)


def _is_async(app: Any) -> bool:
    """Whether calling the app does nothing yet but make a coroutine."""
    # What is only marked as such, or wraps such a function, may return anything to await.
    if type(app) is MethodType:
        app = app.__func__
    function = app if type(app) is FunctionType else type(app).__call__
    return type(function) is FunctionType and bool(function.__code__.co_flags & CO_COROUTINE)


async def _called(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _header(scope: Scope, name: str) -> str | None:
    headers, key = scope.get("headers"), _KEYS[name]
    if not isinstance(headers, (list, tuple)):
        return None  # an iterable that can be read only once is the app's to read
    found = [bytes(value) for given, value in headers if given == key]
    # HTTP/2 may send cookies one by one; of the other headers two together are valid nowhere.
    return b"; ".join(found).decode("latin-1") if found else None


def _known(kind: str, method: str | None, match: Any, part: Mapping[str, Any]) -> Known:
    try:
        template = route.from_match(match) or route.from_part(part)
    except Exception:  # an object of the app's that only looks like a route
        template = None
    return Known(kind, _method(kind, method), str(part.get("path", "")), template)


def _method(kind: str, method: object) -> str:
    return ("WEBSOCKET" if kind == "websocket" else "") if method is None else str(method)


def _arrival(scope: Scope) -> Arrival:
    kind = str(scope["type"])
    return Arrival(
        kind=kind,
        method=_method(kind, scope.get("method")),
        path=str(scope.get("path", "")),
        traceparent=_header(scope, TRACEPARENT),
        mounted=str(scope.get("root_path", "")),
    )


_Timed.tell = staticmethod(_known)


route.end_at(ProfilerMiddleware.__call__.__code__, ProfilerMiddleware._unprofiled.__code__)

"""Serve an app on a person's own machine, profiled: what ``reqprof run`` does, but for its talk.

werkzeug's server serves WSGI apps, uvicorn ASGI apps; both are imported where they are used.
"""

from __future__ import annotations

import errno
import importlib
import operator
import re
import signal
import socket
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import reqprof
from reqprof.errors import NotFound, ReqprofError, UsageError
from reqprof.interface import door, interface
from reqprof.record import start
from reqprof.record.start import Door
from reqprof.record.telling import listening
from reqprof.store.background import BACKGROUND, EXIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.options import Options
    from reqprof.record.telling.listening import Listener

    Run = Callable[[socket.socket, Callable[[], object]], None]

PATIENCE = 3
"""Seconds that requests in flight have left once the server is to end."""

_WORD = r"[^\W\d]\w*"
_NAME = re.compile(rf"({_WORD}(?:\.{_WORD})*):({_WORD}(?:\.{_WORD})*)")
_INNER = ("wsgi_app", "asgi_app", "app", "application")  # what a middleware calls what it wraps
_LAYERS = 50


class Raised(ReqprofError):
    """The app's own code raised, where it was to be imported or made; that is the cause."""


class Served(NamedTuple):
    """An app to be served: ``kind`` is wsgi or asgi.

    ``is_own`` where it was wrapped in reqprof's middleware before, and so is not wrapped again.
    """

    app: Any
    kind: str
    is_own: bool


def find(name: str, folder: Path, *, factory: bool = False) -> Any:
    """The app that ``module:attribute`` names, or that calling it makes.

    Modules are looked for in ``folder`` first. Raises UsageError, NotFound, or Raised.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1].endswith(".py"):
        raise UsageError(
            f"{name!r} names no app; write MODULE:NAME, such as shop:app for the app in shop.py"
        )
    module, path = match.groups()
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder")
    sys.path.insert(0, str(folder.absolute()))
    try:
        app = operator.attrgetter(path)(_imported(module, folder))
    except AttributeError as error:
        raise NotFound(f"{module} has no {error.name!r}, which {name!r} asks for") from None
    return _made(app, name) if factory else app


def _imported(module: str, folder: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if f"{module}.".startswith(f"{error.name}."):
            where = "here" if folder == Path() else f"in {folder}"
            hint = " (--app-dir says where it is)" if folder == Path() else ""
            raise NotFound(f"no module {error.name!r} {where}, nor installed{hint}") from None
        raise Raised(f"{module} cannot be imported: {error}") from error
    except Exception as error:
        raise Raised(f"{module} cannot be imported: it raised {type(error).__name__}") from error


def _made(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise UsageError(f"{name} cannot be called: it makes no app; leave --factory out")
    try:
        return factory()
    except Exception as error:
        raise Raised(f"{name} made no app: it raised {type(error).__name__}") from error


def wrap(app: Any, out: Path, **options: Unpack[Options]) -> Served:
    """The app, profiled into ``out`` unless it is profiled already; raises UsageError."""
    kind = interface(app)
    if kind is None:
        hint = "; if it is to be called to make the app, give --factory" if callable(app) else ""
        raise UsageError(f"{app!r:.200} is no WSGI app and no ASGI app{hint}")
    if _is_wrapped(app):
        return Served(app, kind, is_own=True)
    try:
        return Served(door(app)(app, out, **options), kind, is_own=False)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None


def _is_wrapped(app: Any) -> bool:
    """Whether reqprof's middleware can be seen in it, from outside."""
    for _ in range(_LAYERS):
        if isinstance(app, Door):
            return True
        inside = getattr(app, "__dict__", {})
        # Starlette makes its middlewares when the first request comes.
        if any(_is_ours(getattr(one, "cls", None)) for one in inside.get("user_middleware", ())):
            return True
        app = next((inside[name] for name in _INNER if name in inside), None)
    return False


def _is_ours(middleware: Any) -> bool:
    is_door = isinstance(middleware, type) and issubclass(middleware, Door)
    return is_door or middleware is reqprof.ProfilerMiddleware


def profiles() -> bool:
    """Whether the environment leaves profiling switched on."""
    return start.enabled()


def serve(
    served: Served, host: str, port: int, *, ready: Callable[[str], object], heard: Listener
) -> None:
    """Serve until Ctrl-C or SIGTERM, and until the last profile is written.

    Port 0 is any that is free. ``ready`` is called with the address once it is served, ``heard``
    with each request that has ended: see :func:`reqprof.record.telling.listening.listen`. Raises
    UsageError where the server is not installed, NotFound where the address is not to be had, and
    Raised where the app fails to start.
    """
    run = _wsgi_server(served.app) if served.kind == "wsgi" else _asgi_server(served.app)
    with closing(_bound(host, port)) as listener:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        listening.listen(heard)
        with suppress(KeyboardInterrupt):
            run(listener, lambda: ready(_address(host, listener.getsockname()[1])))
        BACKGROUND.drain(EXIT_SECONDS)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # Python adds the address to it
        hint = "; --port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
        raise NotFound(f"cannot listen at {_address(host, port)}: {why}{hint}") from None


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _wsgi_server(app: Any) -> Run:
    try:
        from werkzeug.serving import WSGIRequestHandler, make_server
    except ImportError:
        raise _lacking("a WSGI app needs werkzeug") from None

    busy: set[object] = set()

    class Handler(WSGIRequestHandler):
        def log_request(self, *_: object) -> None:
            """Not when it begins to answer: a request is told of at its end."""

        def run_wsgi(self) -> None:
            busy.add(self)
            try:
                super().run_wsgi()
            finally:
                busy.discard(self)

    def run(listener: socket.socket, ready: Callable[[], object]) -> None:
        name, port = listener.getsockname()[:2]
        with make_server(
            name, port, app, threaded=True, request_handler=Handler, fd=listener.fileno()
        ) as server:
            ready()
            server.serve_forever()
        deadline = time.monotonic() + PATIENCE
        while busy and time.monotonic() < deadline:
            time.sleep(0.01)

    return run


def _asgi_server(app: Any) -> Run:
    try:
        import uvicorn
    except ImportError:
        raise _lacking("an ASGI app needs uvicorn") from None

    class Server(uvicorn.Server):
        ready: Callable[[], object]

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                self.ready()

    def run(listener: socket.socket, ready: Callable[[], object]) -> None:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=PATIENCE
        )
        server = Server(config)
        server.ready = ready
        try:
            server.run(sockets=[listener])
        except SystemExit:  # how it ends where the app's startup failed
            if server.started:
                raise
        if not server.started:
            raise Raised("the app did not start: its lifespan failed")

    return run


def _lacking(what: str) -> UsageError:
    return UsageError(f"serving {what}, which is not installed: pip install 'reqprof[run]'")

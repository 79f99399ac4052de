"""Tell a WSGI app from an ASGI app by looking at it."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reqprof import asgi, wsgi

_FIRST_NAMES = {"environ": "wsgi", "env": "wsgi", "scope": "asgi"}


def door(app: object) -> type[wsgi.ProfilerMiddleware] | type[asgi.ProfilerMiddleware]:
    """The middleware class for ``app``. Raises TypeError where it looks like neither."""
    kind = interface(app)
    if kind == "asgi":
        from reqprof.asgi import ProfilerMiddleware as Asgi

        return Asgi
    if kind == "wsgi":
        from reqprof.wsgi import ProfilerMiddleware as Wsgi

        return Wsgi
    raise TypeError(
        f"{app!r} is neither a WSGI app, called with (environ, start_response), nor an ASGI app, "
        "an async callable of (scope, receive, send). If it is one in disguise, wrap it with "
        "reqprof.wsgi.ProfilerMiddleware or reqprof.asgi.ProfilerMiddleware."
    )


def interface(app: object) -> str | None:
    """``"wsgi"``, ``"asgi"`` or ``None``."""
    if not callable(app):
        return None
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return None
    two, three = _takes(signature, 2), _takes(signature, 3)
    if _is_async(app):
        return "asgi" if three else None
    if two and three:
        first = next(iter(signature.parameters), "")
        return _FIRST_NAMES.get(first) or _by_required(signature)
    return "wsgi" if two else "asgi" if three else None


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _by_required(signature: inspect.Signature) -> str | None:
    """An optional third parameter makes no ASGI app."""
    required = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return "wsgi" if len(required) == 2 else None


def _is_async(app: Any) -> bool:
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.iscoroutinefunction(app):
        return True
    return not inspect.isclass(app) and inspect.iscoroutinefunction(app.__call__)

"""The route template of a request: the framework's own match, or a guess from the path.

Each framework shows its match in a place and at a time of its own:

* Flask: when the response starts, the ``werkzeug.request`` in the WSGI environment has its
  ``url_rule``; Flask takes it away again before the app returns;
* Django: the handler that starts the response has the request, with its ``resolver_match``;
* Starlette and FastAPI: the ASGI scope keeps ``route``, or ``router`` and ``endpoint``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

_DJANGO_HANDLERS = ("django.core.handlers.wsgi", "django.core.handlers.asgi")
_FRAMES = 40

_ID = re.compile(
    r"\d+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    # Eight hex digits with a number among them: a hash, where "feedface" may be a word.
    r"|(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}"
)
_MAX_GUESS = 200


def guess(path: str) -> str:
    """``path`` with each segment that is a number, a UUID or a hex run folded to ``{id}``."""
    segments = path[:_MAX_GUESS].split("/")
    return "/".join("{id}" if _ID.fullmatch(segment) else segment for segment in segments)


def from_scope(scope: Mapping[str, Any]) -> str | None:
    """Starlette's or FastAPI's path format, below the mounts and routers that lead to it."""
    route, endpoint = scope.get("route"), scope.get("endpoint")
    if route is None and endpoint is None:
        return None
    root = scope.get("app_root_path", scope.get("root_path", ""))
    routes = getattr(scope.get("router"), "routes", ())
    found = _path_to(route, endpoint, routes, scope["path"].removeprefix(root))
    return found or _format(route)


def _path_to(route: Any, endpoint: Any, routes: Any, rest: str) -> str | None:
    """The path format of what was chosen from ``routes``, or from what lies below, for ``rest``."""
    for candidate, shape in _shapes(routes):
        if route is None:
            chosen = getattr(candidate, "endpoint", None) is endpoint
        else:
            chosen = candidate is route or shape is route
        below, regex = getattr(shape, "routes", None), getattr(shape, "path_regex", None)
        if not chosen and below is None:
            continue
        # One route or router may be at hand under several paths: the path tells which it was.
        match = regex.match(rest) if regex else None
        if regex and not match:
            continue
        if chosen:
            return _format(shape)
        found = _path_to(route, endpoint, below, "/" + match["path"] if match else rest)
        if match:  # a mount; without an expression it is a host
            found = found or _format(route)
            return None if found is None else str(_format(shape)).removesuffix("/{path}") + found
        if found is not None:
            return found
    return None


def _shapes(routes: Any) -> Iterator[tuple[Any, Any]]:
    """Each route, and the object that knows its paths here: FastAPI includes one in many places."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route, route
        else:
            for context in included():
                yield context.original_route, context.starlette_route or context


def _format(route: Any) -> str | None:
    found = getattr(route, "path_format", None)
    return None if found is None else str(found)


def flask_match(environ: Mapping[str, Any]) -> Any:
    """Werkzeug's ``Rule`` while the response of a Flask app starts.

    Like :func:`django_match` it runs inside the request's own stretch, so it calls nothing that a
    profile would show.
    """
    try:
        return environ["werkzeug.request"].url_rule
    except Exception:  # nothing there, or something that only looks like a request
        return None


def django_match(frame: FrameType | None) -> Any:
    """Django's ``ResolverMatch`` where ``frame``, or a caller of it, is a Django handler's."""
    for _ in _STEPS:
        if frame is None:
            return None
        try:
            if frame.f_globals["__name__"] in _DJANGO_HANDLERS:
                return frame.f_locals["request"].resolver_match
        except Exception:  # noqa: S110  this handler has no request yet
            pass
        frame = frame.f_back
    return None


_STEPS = (None,) * _FRAMES


def from_match(match: Any, mounted: str = "") -> str | None:
    """The pattern of a ``Rule`` or a ``ResolverMatch``, below the path where the app is mounted."""
    rule, route = getattr(match, "rule", None), getattr(match, "route", None)
    if rule is not None:
        return mounted + str(rule)
    # Django leaves the first slash out of its patterns, and joins expressions without their "^".
    return None if route is None else f"{mounted}/{str(route).removeprefix('^')}"

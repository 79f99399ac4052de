"""The route template of a request: the framework's own match, or a guess from the path.

Each reader looks at what its framework leaves behind once it has routed the request:

* Flask: the ``werkzeug.request`` in the WSGI environment has its ``url_rule``;
* Starlette and FastAPI: the ASGI scope has ``route``, or ``router`` and ``endpoint``;
* Django: the handler that starts the response has the request, with its ``resolver_match``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
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


def from_environ(environ: Mapping[str, Any]) -> str | None:
    """Flask's rule, below where the app is mounted."""
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return None if rule is None else str(environ.get("SCRIPT_NAME", "")) + str(rule)


def from_scope(scope: Mapping[str, Any]) -> str | None:
    """Starlette's or FastAPI's path format, with those of the mounts that lead to it."""
    route, endpoint = scope.get("route"), scope.get("endpoint")
    if route is None and endpoint is None:
        return None
    if route is None or "app_root_path" in scope:  # an older Starlette, or below a mount
        found = _path_to(route, endpoint, getattr(scope.get("router"), "routes", ()), "")
        if found is not None:
            return found
    path = getattr(route, "path_format", None)
    return None if path is None else str(path)


def _path_to(route: Any, endpoint: Any, routes: Any, above: str) -> str | None:
    for candidate in routes:
        here = getattr(candidate, "endpoint", None) is endpoint if route is None else None
        if candidate is route or here:
            return above + str(candidate.path_format)
        below = getattr(candidate, "routes", None)
        if below:
            found = _path_to(route, endpoint, below, above + str(getattr(candidate, "path", "")))
            if found is not None:
                return found
    return None


def django_match(frame: FrameType | None) -> Any:
    """Django's ``ResolverMatch`` where ``frame``, or a caller of it, is a Django handler's.

    Runs inside the request's own stretch, so it calls nothing that a profile would show.
    """
    for _ in _STEPS:
        if frame is None:
            return None
        try:
            if frame.f_globals["__name__"] in _DJANGO_HANDLERS:
                return frame.f_locals["request"].resolver_match
        except (KeyError, AttributeError):
            pass
        frame = frame.f_back
    return None


_STEPS = (None,) * _FRAMES


def from_django(match: Any) -> str | None:
    """The pattern that Django matched, with the slash it leaves out."""
    route = getattr(match, "route", None)
    return None if route is None else "/" + str(route)

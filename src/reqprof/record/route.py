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


def flask_match(environ: Mapping[str, Any]) -> Any:
    """Werkzeug's ``Rule`` while the response of a Flask app starts.

    Like :func:`django_match` it runs inside the request's own stretch, so it calls nothing that a
    profile would show.
    """
    try:
        return environ["werkzeug.request"].url_rule
    except (KeyError, AttributeError):
        return None


def django_match(frame: FrameType | None) -> Any:
    """Django's ``ResolverMatch`` where ``frame``, or a caller of it, is a Django handler's."""
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


def from_match(match: Any, mounted: str = "") -> str | None:
    """The pattern of a ``Rule`` or a ``ResolverMatch``, below the path where the app is mounted."""
    rule, route = getattr(match, "rule", None), getattr(match, "route", None)
    if rule is not None:
        return mounted + str(rule)
    # Django leaves the first slash out of its patterns.
    return None if route is None else f"{mounted}/{route}"

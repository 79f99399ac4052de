"""The route template of a request: the framework's own match, or a guess from the path.

Each framework shows its match in a place and at a time of its own:

* Flask: when the response starts, the ``werkzeug.request`` in the WSGI environment has its
  ``url_rule``; Flask takes it away again before the app returns;
* Django, Quart, Falcon, Bottle and Pyramid: one of the functions that are open when the response
  starts, or a websocket is accepted, has the request, or what else leads to its route;
* Starlette, FastAPI and Litestar: the ASGI scope keeps it.
"""

from __future__ import annotations

import re
import sys
from types import CoroutineType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType, FrameType

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
    """The path format that the scope tells of, below the mounts and routers that lead to it."""
    route, endpoint = scope.get("route"), scope.get("endpoint")
    if route is None and endpoint is None:
        template = scope.get("path_template")  # Litestar's
        return None if template is None else str(template)
    root = scope.get("app_root_path", scope.get("root_path", ""))
    routes = getattr(scope.get("router"), "routes", ())
    found = _path_to(route, endpoint, routes, scope["path"].removeprefix(root))
    return found or _format(route)


def part_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`from_part` needs, which keeps nothing of the request alive."""
    return {name: scope[name] for name in _OF_SCOPE if name in scope}


def from_part(part: Mapping[str, Any]) -> str | None:
    """As :func:`from_scope`, later."""
    return _remembered(part) if "route" in part or "endpoint" in part else from_scope(part)


_OF_SCOPE = ("route", "endpoint", "router", "app_root_path", "root_path", "path", "path_template")


def _remembered(kept: Mapping[str, Any]) -> str | None:
    """As :func:`from_scope`, looked up once for paths of one shape."""
    places = [kept.get(name) for name in ("route", "endpoint", "router")]
    root = kept.get("app_root_path", kept.get("root_path", ""))
    key = (*map(id, places), root, guess(kept["path"]))
    if key not in _templates:
        if len(_templates) >= _MOST_TEMPLATES:
            _templates.clear()
        try:
            template = from_scope(kept)
        except Exception:  # an object of the app's that only looks like a route
            template = None
        _templates[key] = places, template
    return _templates[key][1]


_MOST_TEMPLATES = 4096
_templates: dict[tuple[object, ...], tuple[list[object], str | None]] = {}  # ids need their objects


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

    Like :func:`open_match` it runs inside the request's own stretch, so it calls nothing that a
    profile would show.
    """
    if "werkzeug.request" not in environ:
        return None
    try:
        return environ["werkzeug.request"].url_rule
    except Exception:  # something that only looks like a request
        return None


def open_match(frame: FrameType | None, awaiting: Any = None) -> Any:
    """What a known framework's function has matched that is open at this moment.

    It is ``frame``, a caller of it, or what the coroutine ``awaiting`` is suspended in.
    """
    for function in _open(frame, awaiting):
        try:
            name = function.f_globals["__name__"]
            if name in _FRAMEWORKS:
                return _FRAMEWORKS[name](function.f_locals)
        except Exception:  # noqa: S110  this function of the framework's does not know it
            pass
    return None


def end_at(*codes: CodeType) -> None:
    """What calls these functions is not the app's."""
    _DOORS.update(codes)


_DOORS: set[CodeType] = set()


def _open(frame: FrameType | None, awaiting: Any) -> Iterator[FrameType]:
    for _ in _STEPS:
        if frame is None or frame.f_code in _DOORS:
            break
        yield frame
        frame = frame.f_back
    for _ in _STEPS:
        if awaiting.__class__ is not CoroutineType:
            break
        if awaiting.cr_frame is not None:
            yield awaiting.cr_frame
        awaiting = awaiting.cr_await


_STEPS = (None,) * _FRAMES


def _django(seen: Mapping[str, Any]) -> Any:
    return seen["request"].resolver_match


def _quart(seen: Mapping[str, Any]) -> Any:
    try:
        return seen["request"].url_rule
    except KeyError:
        return seen["websocket"].url_rule


def _falcon(seen: Mapping[str, Any]) -> Any:
    return seen["req"].uri_template


def _bottle(seen: Mapping[str, Any]) -> Any:
    environ = seen["environ"]
    # An app that is mounted as any WSGI app leaves its own route here, which lacks the mount.
    return environ["bottle.route"] if environ["bottle.app"] is seen["self"] else None


def _pyramid(seen: Mapping[str, Any]) -> Any:
    # The request with its match is gone by now.
    return seen["self"].routes_mapper, seen["environ"]["PATH_INFO"]


_FRAMEWORKS = {
    "django.core.handlers.wsgi": _django,
    "django.core.handlers.asgi": _django,
    "quart.asgi": _quart,
    "falcon.app": _falcon,
    "falcon.asgi.app": _falcon,
    "bottle": _bottle,
    "pyramid.router": _pyramid,
}


def may_be_open() -> bool:
    """Whether :func:`open_match` could find anything: a framework that needs it is imported."""
    global _imported, _may_be_open
    if _imported != len(sys.modules):
        _imported = len(sys.modules)
        _may_be_open = not _FRAMEWORKS.keys().isdisjoint(sys.modules)
    return _may_be_open


_imported = 0
_may_be_open = False


def from_match(match: Any, mounted: str = "") -> str | None:
    """The template of what was matched, below the path where the app is mounted."""
    if type(match) is tuple:
        rule = _pyramid_pattern(*match)
    elif type(match) is str:
        rule = match
    else:
        rule = getattr(match, "rule", None)
    if rule is not None:
        return mounted + str(rule)
    route = getattr(match, "route", None)
    # Django leaves the first slash out of its patterns, and joins expressions without their "^".
    return None if route is None else f"{mounted}/{str(route).removeprefix('^')}"


def _pyramid_pattern(mapper: Any, path: str) -> str | None:
    """The pattern of the route for ``path``, where only one can be it.

    Predicates, which choose among routes for one path, would have to be asked with the request.
    """
    path = path.encode("latin-1").decode() or "/"
    patterns = set()
    for route in mapper.routelist:
        if route.match(path) is not None:
            patterns.add(route.pattern)
            if not route.predicates:
                break
    return "/" + patterns.pop().lstrip("/") if len(patterns) == 1 else None

"""A response that tells which profile its request leaves: two more lines of headers.

``X-Reqprof-Id`` has the id. ``Server-Timing`` has it too, as browsers' developer tools show that
one: https://www.w3.org/TR/server-timing/. Runs in a stretch: nothing here that a profile would
show. What the app gave is never changed, only passed on with more; where it is of a kind that
cannot be had more of safely, it is passed on as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reqprof.record.engines.clock import unseen

if TYPE_CHECKING:
    from reqprof.record.recording import Recording

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_encode = unseen(str.encode)


def wsgi(recording: Recording, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an app gave ``start_response`` after the status, with the lines in its headers."""
    if not rest:
        return rest
    lines = (("X-Reqprof-Id", recording.request.id), ("Server-Timing", _timing(recording)))
    return (_more(rest[0], lines), *rest[1:])


def asgi(recording: Recording, message: Any) -> Any:
    """A message of the app, with the lines in its headers where it begins a response."""
    if type(message) is not dict or message["type"] not in _STARTS:
        return message
    lines = (
        (b"x-reqprof-id", _encode(recording.request.id)),
        (b"server-timing", _encode(_timing(recording))),
    )
    given = message["headers"] if "headers" in message else ()  # noqa: SIM401  get() would be seen
    return {**message, "headers": _more(given, lines)}


def _timing(recording: Recording) -> str:
    return f'reqprof;desc="{recording.request.id}";dur={recording.age() * 1000.0:.1f}'


def _more(headers: Any, lines: tuple[Any, ...]) -> Any:
    # A generator can be read only once, and of what else there is servers may know more than we.
    if type(headers) is list:
        return [*headers, *lines]
    if type(headers) is tuple:
        return (*headers, *lines)
    return headers

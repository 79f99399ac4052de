"""What a profile's file is called: safe on any disk whatever the URL holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from reqprof.store.format import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from reqprof.model import Request

    NameMaker = Callable[[Mapping[str, Any]], str]

MAX_NAME = 120
"""Bytes, all of them ASCII: leaves room on every file system, and for a viewer's own suffix."""

PLACEHOLDERS = ("method", "path", "elapsed", "time", "url", "ts", "duration")
"""The first four are werkzeug's, the last three flameprof's."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_DEFAULT = re.compile(
    r"\d{8}T\d{6}\.\d{6}Z_(\d{10,20})us_([A-Z0-9.-]+)_([a-z0-9]+)_([A-Za-z0-9.-]*)_[0-9a-f]{12}"
    r"\.prof",
    re.ASCII,
)


def name(request: Request) -> str:
    """UTC time, microseconds, method, status, route slug and id: sorts by time, cannot collide."""
    when = datetime.fromtimestamp(request.start, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    status = request.status or ("exc" if request.exception else "none")
    method = _safe(request.method.upper(), 12).replace("_", "-") or "-"
    head = f"{when}_{round(request.duration * 1e6):010d}us_{method}_{status}_"
    tail = f"_{request.id}{SUFFIX}"
    slug = _safe(_route(request), MAX_NAME - len(head) - len(tail)).replace("_", "-")
    return head + slug + tail


def is_default(file_name: str) -> bool:
    """Whether :func:`name` made this name, so that the file can be taken for ours unopened."""
    return _DEFAULT.fullmatch(file_name) is not None


class Outcome(NamedTuple):
    """What the default name of a file tells of how its request went."""

    route: tuple[str, str]  # or what stands for it in a name, after the method
    microseconds: int
    failed: bool  # by its status, or by an exception that left it none


def outcome(file_name: str) -> Outcome | None:
    """None for a name that :func:`name` did not make."""
    found = _DEFAULT.fullmatch(file_name)
    if found is None:
        return None
    microseconds, method, status, slug = found.groups()
    failed = status == "exc" or (len(status) == 3 and status[0] == "5")
    return Outcome((method, slug), int(microseconds), failed)


def check_template(template: str | NameMaker | None) -> None:
    """Raise TypeError or ValueError where ``template`` can name no file."""
    if template is None or callable(template):
        return
    if not isinstance(template, str):
        raise TypeError(f"filename_format is a string or a callable; got {template!r}")
    try:
        template.format(**_values("GET", "/", 0.0, 0.0))
    except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
        known = ", ".join(f"{{{word}}}" for word in PLACEHOLDERS)
        raise ValueError(
            f"filename_format={template!r} cannot be filled in ({error}); it knows {known}"
        ) from error


def from_template(template: str, request: Request) -> str:
    """The name a user's ``template`` gives, made safe; ends in ``.prof``."""
    path = _route(request) if request.path is None else request.path
    values = _values(request.method, path, request.start, request.duration)
    return safe(template.format(**values))


def safe(text: str) -> str:
    """``text`` as a plain file name inside its folder, ending in ``.prof``."""
    stem = text.removesuffix(SUFFIX)
    return (_safe(stem, MAX_NAME - len(SUFFIX)) or "profile") + SUFFIX


def with_id(file_name: str, request: Request) -> str:
    """The same name made unique, for one that is taken."""
    tail = f".{request.id}{SUFFIX}"
    return file_name.removesuffix(SUFFIX)[: MAX_NAME - len(tail)] + tail


def _values(method: str, path: str, start: float, seconds: float) -> dict[str, object]:
    dotted = path.strip("/").replace("/", ".") or "root"
    return {
        "method": method,
        "path": dotted,
        "elapsed": seconds * 1000.0,
        "time": start + seconds,
        "url": dotted,
        "ts": round(start * 1000),
        "duration": round(seconds * 1000),
    }


def _route(request: Request) -> str:
    return (request.route or request.path or "unknown").strip("/") or "root"


def _safe(text: str, limit: int) -> str:
    # A leading dot would hide the file, a trailing one is not allowed everywhere.
    return _UNSAFE.sub("-", text).strip("-.")[:limit].strip("-.")

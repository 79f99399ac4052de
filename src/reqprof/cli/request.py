"""How one request is put in words, the same in every listing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from reqprof.model import Request

if TYPE_CHECKING:
    from reqprof.store.stored import Stored

GUESSED = "~"
"""Stands before a route that no framework named: it was folded from the path."""

_FIELDS = tuple(field.name for field in fields(Request))


def facts(request: Request) -> dict[str, object]:
    """Every fact by name, those not known as None."""
    return {name: getattr(request, name) for name in _FIELDS}


def method(request: Request) -> str:
    """The method, or the kind of what is no HTTP request."""
    return (request.method or "-") if request.kind == "http" else request.kind


def status(request: Request) -> str:
    """The status; a dash where the app ended without one."""
    return "-" if request.status is None else str(request.status)


def route(request: Request) -> str:
    """The route, marked where it is a guess, or else the path."""
    if request.route is None:
        return "-" if request.path is None else request.path
    return f"{GUESSED}{request.route}" if request.guessed else request.route


def note(request: Request) -> str:
    """What is wrong with the request or its profile, in a word or two."""
    words = [
        request.exception or "",
        "interrupted" if request.interrupted else "",
        "partial" if request.partial else "",
    ]
    return ", ".join(filter(None, words))


def brief(stored: Stored) -> str:
    """A profile in a few words, for a line that lists several."""
    request = stored.request
    if request is None:
        return stored.path.name
    return f"{request.id} ({method(request)} {route(request)})"

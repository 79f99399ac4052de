"""How functions are named to people: cleaned, shortened, and sorted into packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqprof.tree.node import REST, ROOT, WAITING

if TYPE_CHECKING:
    from reqprof.model import Function

APP = "app"
STDLIB = "stdlib"
NATIVE = "C"
GENERATED = "generated"
WAIT = "waiting"

FRAMEWORKS = frozenset(
    {
        "aiohttp",
        "anyio",
        "asgiref",
        "bottle",
        "django",
        "eventlet",
        "falcon",
        "fastapi",
        "flask",
        "gevent",
        "granian",
        "greenlet",
        "gunicorn",
        "hypercorn",
        "litestar",
        "pyramid",
        "quart",
        "rest_framework",
        "sanic",
        "starlette",
        "tornado",
        "trio",
        "twisted",
        "uvicorn",
        "uvloop",
        "waitress",
        "webob",
        "werkzeug",
    }
)
"""Packages that call the app: web frameworks, servers and event loops."""

_METHOD = re.compile(r"[<{][\w -]+ '([^']+)' of '([^']+)' objects[>}]")
_BUILTIN = re.compile(r"[<{]built-in (?:method|function) (\S+?)(?: of (\S+) object)?[>}]")
_FROZEN = re.compile(r"<frozen (.+)>")
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/(?=.)", re.DOTALL)
_STANDARD = re.compile(
    r".*/(?:lib(?:64)?/python\d[^/]*|(?:python\d+|cpython-3[^/]*)/lib)/(?=.)",
    re.DOTALL | re.IGNORECASE,
)


def clean(text: str) -> str:
    """The text with everything unprintable written as an escape such as ``\\x1b`` or ``\\u202e``.

    Newlines, control characters, surrogates and the marks that reorder text all go, so that a
    name can harm neither a terminal nor XML nor the line it stands in.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def short(function: Function) -> str:
    """The name alone: ``search``; of a C method with its type, ``Cursor.execute``."""
    name = function[2] or "?"
    if function[0] != "~":
        return clean(name)
    if match := _METHOD.fullmatch(name):
        return clean(f"{match[2].rpartition('.')[2]}.{match[1]}")
    if match := _BUILTIN.fullmatch(name):
        plain = match[1].removeprefix("builtins.")
        return clean(f"{match[2]}.{plain}" if match[2] else plain)
    return clean(name)


def label(function: Function) -> str:
    """The name with a short module before it: ``shop.search``, ``sqlite3.Cursor.execute``."""
    file, _, name = function
    if file == "~":
        match = _METHOD.fullmatch(name)
        return clean(f"{match[2]}.{match[1]}") if match else short(function)
    module = _module(file)
    return clean(f"{module}.{name}") if module else short(function)


def _module(file: str) -> str:
    if match := _FROZEN.fullmatch(file):
        return match[1]
    if file.startswith("<"):
        return ""
    folder, _, base = file.replace("\\", "/").rpartition("/")
    stem = base.removesuffix(".py")
    return folder.rpartition("/")[2] if stem == "__init__" else stem


def place(function: Function) -> str:
    """Where the function is: ``flask/app.py:1480``, the way to the libraries left out."""
    file, line, _ = function
    if function in (ROOT, REST, WAITING):
        return ""
    if file == "~":
        return "C function"
    path = file.replace("\\", "/")
    for root in (_INSTALLED, _STANDARD):
        if match := root.match(path):
            path = path[match.end() :]
            break
    else:
        path = file
    return clean(f"{path}:{line}")


def package(function: Function) -> str:
    """The name of the installed package, or one of APP, STDLIB, NATIVE, GENERATED and WAIT.

    Empty for the root, which is no function.
    """
    file = function[0].replace("\\", "/")
    if function in (ROOT, WAITING):
        return "" if function == ROOT else WAIT
    if file == "~":
        return NATIVE
    if match := _INSTALLED.match(file):
        return clean(file[match.end() :].partition("/")[0].removesuffix(".py"))
    if _FROZEN.fullmatch(file) or _STANDARD.match(file):
        return STDLIB
    return GENERATED if file.startswith("<") else APP

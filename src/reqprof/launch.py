"""Serve an app profiled without touching its code.

``REQPROF_APP=shop:app gunicorn reqprof.launch:wsgi``, or ``uvicorn reqprof.launch:asgi``. Options
come from ``REQPROF_*`` variables with the names of the keyword arguments, such as
``REQPROF_OUT_DIR``.
``FLAMEPROF="--wsgi-out-dir D --wsgi-format F mod:app"`` is read as flameprof reads it.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import logging
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from reqprof.durations import parse_duration
from reqprof.interface import interface
from reqprof.record.options import Options, Settings, folder
from reqprof.sizes import parse_size
from reqprof.store.naming import check_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("reqprof")

_PREFIX = "REQPROF_"
_OTHER = {"APP", "ENABLED", "DEBUG", "REQUIRE_EXACT"}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("it is 1 or 0")
    return text.lower() in _TRUE


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _optional(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.lower() == "none" else convert(text)


_READ: dict[str, Callable[[str], Any]] = {
    "out_dir": str,
    "sample": float,
    "include": _optional(_list),
    "exclude": _optional(_list),
    "trigger": _optional(str),
    "timing": _boolean,
    "watch_after": _optional(parse_duration),
    "watch_rate": float,
    "max_concurrent": _optional(int),
    "budget": _optional(float),
    "engine": str,
    "builtins": _boolean,
    "clock": str,
    "follow": _boolean,
    "max_duration": _optional(float),
    "max_files": _optional(int),
    "max_bytes": _optional(parse_size),
    "min_free": _optional(float),
    "max_age": _optional(parse_duration),
    "store_path": _boolean,
    "slower_than": _optional(parse_duration),
    "keep_errors": _boolean,
    "worst_per_route": _optional(int),
    "worst_window": parse_duration,
    "baseline": float,
    "keep": _optional(lambda name: load(name)),
    "announce": _boolean,
    "on_profile": _optional(lambda text: load(text)),
    "strict": _boolean,
}
_READ_WSGI: dict[str, Callable[[str], Any]] = {"profile_dir": str, "filename_format": str}


def options(environ: Mapping[str, str]) -> dict[str, Any]:
    """The keyword arguments that the ``REQPROF_*`` variables give.

    Raises ValueError, naming the variable, for a value that is none; a name that is no option is
    only logged.
    """
    read = _READ | _READ_WSGI
    found: dict[str, Any] = {}
    for variable, text in environ.items():
        name = variable.removeprefix(_PREFIX)
        if not variable.startswith(_PREFIX) or name in _OTHER:
            continue
        convert = read.get(name.lower())
        if convert is None:
            near = difflib.get_close_matches(name.lower(), read, 1)
            hint = f"; did you mean {_PREFIX}{near[0].upper()}?" if near else ""
            logger.warning("%s is no option of reqprof%s", variable, hint)
            continue
        try:
            found[name.lower()] = _checked(name.lower(), convert(text))
        except (TypeError, ValueError, OverflowError) as error:
            shown = variable if name.lower() == "trigger" else f"{variable}={text!r}"
            raise ValueError(f"{shown} cannot be used: {error}") from None
    return found


def _checked(name: str, value: Any) -> Any:
    """``value``; raises ValueError where the option ``name`` cannot have it."""
    if name in Options.__annotations__:
        # One by one, so that the message can name the variable.
        Settings(out_dir=Path(), **{name: value})
    elif name == "filename_format":
        check_template(value)
    else:
        folder(value)
    return value


def flameprof(text: str) -> tuple[str, dict[str, Any]]:
    """The app and the options that flameprof's ``FLAMEPROF`` variable names.

    What only concerns flameprof's pictures is accepted and not needed: ``reqprof merge`` draws.
    Raises ValueError where ``text`` names no app.
    """
    parser = _Parser(add_help=False)
    parser.add_argument("app", metavar="module:attribute")
    parser.add_argument("--wsgi-out-dir", default="/tmp")  # noqa: S108  flameprof's own default
    parser.add_argument("--wsgi-format", default="{method}.{url}")
    parser.add_argument("--cpu", action="store_true")
    for drawing in ("--format", "--width", "--row-height", "--font-size", "--threshold"):
        parser.add_argument(drawing)
    for drawing in ("--log-mult", "-o", "--out"):
        parser.add_argument(drawing)
    try:
        arguments, unknown = parser.parse_known_args(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"FLAMEPROF={text!r} cannot be used: {error}") from None
    if unknown:
        logger.warning("FLAMEPROF: %s is not understood", " ".join(unknown))
    return arguments.app, {
        "out_dir": arguments.wsgi_out_dir,
        "filename_format": arguments.wsgi_format,
        "clock": "cpu" if arguments.cpu else "wall",
    }


class _Parser(argparse.ArgumentParser):
    """One that neither prints nor exits: it runs in a server that starts."""

    def error(self, message: str) -> Never:
        raise ValueError(message)


def load(name: str) -> Any:
    """The object that ``module:attribute`` names; ``module:factory()`` calls a factory.

    Without an attribute it is ``application``. Raises ValueError where the module lacks it; what
    the import of the module raises goes through.
    """
    module_name, _, path = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in (path or "application").removesuffix("()").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ValueError(f"{module_name} has no {part!r}, which {name!r} asks for") from None
    return found() if path.endswith("()") else found


@functools.cache
def _app_and_options() -> tuple[Any, dict[str, Any]]:
    name, chosen = os.environ.get("REQPROF_APP"), options(os.environ)
    if not name and "FLAMEPROF" in os.environ:
        name, theirs = flameprof(os.environ["FLAMEPROF"])
        chosen = theirs | chosen
    if not name:
        raise ValueError("set REQPROF_APP=module:attribute to the app that is to be served")
    return load(name), chosen


def _wrap(kind: str) -> Any:
    app, chosen = _app_and_options()
    found = interface(app)
    if found is not None and found != kind:
        raise ValueError(f"{app!r} is {found.upper()}: serve reqprof.launch:{found}")
    if kind == "wsgi":
        from reqprof.wsgi import ProfilerMiddleware as Wsgi

        return Wsgi(app, **chosen)
    from reqprof.asgi import ProfilerMiddleware as Asgi

    for name in _READ_WSGI:
        if chosen.pop(name, None) is not None:
            logger.warning("%s is for WSGI apps: %r goes without it", name, app)
    return Asgi(app, **chosen)


def _serve_named_app() -> None:
    # At import, not at the first request: a server that cannot find its app must not start. And a
    # real global, since uWSGI looks into the module's dictionary.
    kind = interface(_app_and_options()[0])
    if kind is not None:
        globals()[kind] = _wrap(kind)


def __getattr__(name: str) -> Any:
    if name not in ("wsgi", "asgi"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = _wrap(name)
    return made


if "REQPROF_APP" in os.environ or "FLAMEPROF" in os.environ:
    _serve_named_app()

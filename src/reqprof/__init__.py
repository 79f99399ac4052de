"""Which requests of a Python web service are slow, and where their time went.

``ProfilerMiddleware(app, out_dir="profiles")`` wraps a WSGI or an ASGI app and leaves one profile
per request in a folder; the command ``reqprof`` ranks them, merges them and draws them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from reqprof.jobs import session
    from reqprof.record.labels import label

__all__ = ["ProfilerMiddleware", "__version__", "label", "session"]

__version__ = "0.1.0"


def ProfilerMiddleware(  # noqa: N802  stands where a class is expected
    app: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    """Wrap ``app``, WSGI or ASGI, so that each request leaves a profile in ``out_dir``.

    Takes what :class:`reqprof.wsgi.ProfilerMiddleware` or :class:`reqprof.asgi.ProfilerMiddleware`
    takes, and returns the one that fits ``app``. Raises TypeError where ``app`` is neither.
    """
    from reqprof.interface import door

    try:
        return door(app)(app, *args, **options)
    except Exception as error:
        from reqprof.record import start

        # Starlette builds its middleware inside its first call: nothing may reach the app there.
        if options.get("strict") or not start.serving():
            raise
        start.off(error)
        return app


def __getattr__(name: str) -> Any:
    # In a stretch, where the app says reqprof.label() for the first time: globals() would be seen.
    global label, session
    if name == "label":
        from reqprof.record.labels import label

        return label
    if name == "session":
        from reqprof.jobs import session

        return session
    raise AttributeError(f"module 'reqprof' has no attribute {name!r}")

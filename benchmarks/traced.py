"""Requests traced call by call: true stacks, and what cProfile would have said of the same calls.

Traffic of the Flask example, all its routes as its traffic script mixes them, and of Django's admin
with a database in memory. No server and no thread: a request is a call of the WSGI app.
"""

from __future__ import annotations

import gc
import io
import logging
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from common import EXAMPLES

sys.path[:0] = [EXAMPLES, str(Path(__file__).resolve().parent.parent)]

from tests.tree.oracle import Recorder, truth  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.tree.oracle import Trace, Truth

    Serve = Callable[[], None]

WARM_UP = 60
TRIES = 5
LOST = 0.02  # of a request's time, to other programs: it is made again
ADMIN = (
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/?q=reader1",
    "/admin/auth/user/3/change/",
    "/admin/auth/user/add/",
    "/admin/auth/group/",
    "/admin/login/?next=/admin/",
)
READERS = 30


def traced(name: str, requests: int) -> Iterator[Truth]:
    """So many requests, after the first have imported, compiled and cached what they need."""
    makers = {"flask": flask, "django": django}
    # An error that an app logs would be printed, and the printing traced.
    logging.disable(logging.CRITICAL)
    serves = makers[name](WARM_UP + requests)
    for serve in serves[:WARM_UP]:
        serve()
    recorder = Recorder()
    # All are recorded before anything is made of one: that would leave its objects and garbage
    # in the memory of the next, and the next's own out of the processor's caches.
    traces = [undisturbed(serve, recorder) for serve in serves[WARM_UP:]]
    for trace in traces:
        yield truth(recorder.events(trace))


def undisturbed(serve: Serve, recorder: Recorder) -> Trace:
    """The trace of a request that kept the processor; of the last try, if none did.

    What other programs take of a request is in whatever frame it was in, and in no edge's nature.
    """
    for _ in range(TRIES):
        # Who happens to be at work when garbage is collected did not take that time.
        gc.collect(0)
        gc.disable()
        # As on a busy server: else what runs first pays for the caches that the last trace took.
        serve()
        began, began_cpu = time.perf_counter(), time.thread_time()
        trace = recorder.record(serve)
        lost = 1 - (time.thread_time() - began_cpu) / (time.perf_counter() - began)
        gc.enable()
        if lost < LOST:
            break
    return trace


def flask(requests: int) -> list[Serve]:
    """The example's own mix, warmed up by other requests than are recorded."""
    import flask_app.traffic
    import flask_app.views

    app = flask_app.views.create_app().wsgi_app
    mixed = flask_app.traffic.requests(2, WARM_UP)
    mixed += flask_app.traffic.requests(1, requests - WARM_UP)
    return [partial(call, app, r.status, r.method, r.path, r.body or "") for r in mixed]


def django(requests: int) -> list[Serve]:
    """Each page in turn, for one who is logged in; the page to log in is for who is not."""
    app, cookie = admin_site()
    pages = [ADMIN[number % len(ADMIN)] for number in range(requests)]
    return [
        partial(call, app, 200, "GET", page, cookie="" if "login" in page else cookie)
        for page in pages
    ]


def admin_site() -> tuple[Any, str]:
    """The WSGI app of a new project with Django's admin, and the cookie of its superuser."""
    import django
    from django.conf import settings

    contrib = "django.contrib"
    context = f"{contrib}.auth.context_processors.auth"
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            f"{contrib}.{app}" for app in ("admin", "auth", "contenttypes", "sessions", "messages")
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            f"{contrib}.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{contrib}.auth.middleware.AuthenticationMiddleware",
            f"{contrib}.messages.middleware.MessageMiddleware",
        ],
        PASSWORD_HASHERS=[f"{contrib}.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="admin_urls",
        SECRET_KEY="none" * 20,
        STATIC_URL="/static/",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        context,
                        f"{contrib}.messages.context_processors.messages",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.test import Client
    from django.urls import path

    urls = ModuleType("admin_urls")
    urls.urlpatterns = [path("admin/", admin.site.urls)]  # type: ignore[attr-defined]
    sys.modules[urls.__name__] = urls
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("keeper", password="none")
    for number in range(READERS):
        User.objects.create_user(f"reader{number}")
    client = Client()
    client.login(username="keeper", password="none")
    return get_wsgi_application(), f"sessionid={client.cookies['sessionid'].value}"


def environ(method: str, url: str, body: str = "", cookie: str = "") -> dict[str, Any]:
    """A request as a server would hand it to a WSGI app."""
    path, _, query = url.partition("?")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_COOKIE": cookie,
        "HTTP_HOST": "localhost",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body.encode()),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call(app: Any, status: int, method: str, url: str, body: str = "", cookie: str = "") -> None:
    """One request; its answer must have the status."""
    seen: list[str] = []

    def start_response(line: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        seen.append(line)
        return lambda chunk: None

    answer = app(environ(method, url, body, cookie), start_response)
    for _ in answer:
        pass
    getattr(answer, "close", lambda: None)()
    if int(seen[-1].split()[0]) != status:
        raise SystemExit(f"{url} answered {seen[-1]}, not {status}")

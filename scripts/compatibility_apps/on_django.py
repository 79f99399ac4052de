"""The settings, the URLs and the views of a site, and ``manage.py``: ``python -m`` this module."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from compatibility_apps import OUT, work

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

ALLOWED_HOSTS = ["*"]
SECRET_KEY = "none"
USE_TZ = True
DEBUG = True
ROOT_URLCONF = "compatibility_apps.on_django"
WSGI_APPLICATION = "compatibility_apps.on_django.wsgi"
MIDDLEWARE: list[str] = []

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compatibility_apps.on_django")


def view(request: HttpRequest, book: int) -> HttpResponse:
    from django.http import HttpResponse

    return HttpResponse(work(book))


async def async_view(request: HttpRequest, book: int) -> HttpResponse:
    from django.http import HttpResponse

    return HttpResponse(work(book))


def __getattr__(name: str) -> Any:
    # Django imports this module for its settings before it can make any of these.
    import reqprof

    if name == "urlpatterns":
        from django.urls import path

        return [path("books/<int:book>/", view), path("async/<int:book>/", async_view)]
    if name == "wsgi":
        from django.core.wsgi import get_wsgi_application

        found: Any = reqprof.ProfilerMiddleware(get_wsgi_application(), out_dir=OUT)
    elif name == "asgi":
        from django.core.asgi import get_asgi_application

        found = reqprof.ProfilerMiddleware(get_asgi_application(), out_dir=OUT)
    else:
        raise AttributeError(name)
    globals()[name] = found
    return found


if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

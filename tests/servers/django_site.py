"""A Django site with sync and async views, for both interfaces."""

from __future__ import annotations

import os
import time
from typing import Any

import anyio
import django
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.http import HttpResponse
from django.urls import include, path

import reqprof


def sync_leaf() -> None: ...


def sync_work(times: int) -> None:
    for _ in range(times):
        sync_leaf()


def async_leaf() -> None: ...


def async_work(times: int) -> None:
    for _ in range(times):
        async_leaf()


def both_leaf() -> None: ...


def both_work(times: int) -> None:
    for _ in range(times):
        both_leaf()


def sync_view(request: Any, times: int) -> HttpResponse:
    sync_work(times)
    time.sleep(0.001)
    return HttpResponse(b"sync")


async def async_view(request: Any, times: int) -> HttpResponse:
    async_work(2)
    await anyio.sleep(0.001)
    async_work(times)
    return HttpResponse(b"async")


async def both_view(request: Any, shop: str, times: int) -> HttpResponse:
    """From the loop into a thread, and from there back onto the loop."""
    both_work(2)
    await sync_to_async(in_thread)(times)
    return HttpResponse(b"both")


def in_thread(times: int) -> None:
    both_work(times)
    async_to_sync(back_on_the_loop)(times)


async def back_on_the_loop(times: int) -> None:
    await anyio.sleep(0)
    both_work(times)


urlpatterns = [
    path("sync/<int:times>/", sync_view),
    path("async/<int:times>/", async_view),
    path("shops/<slug:shop>/", include([path("both/<int:times>/", both_view)])),
]

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x",
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    # This one is sync and async, so Django adapts nothing for it.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

plain_wsgi, plain_asgi = get_wsgi_application(), get_asgi_application()
_out = os.environ.get("TEST_PROFILES", "profiles")
_engine = os.environ.get("TEST_ENGINE", "auto")
wsgi = reqprof.ProfilerMiddleware(plain_wsgi, out_dir=_out, engine=_engine)
asgi = reqprof.ProfilerMiddleware(plain_asgi, out_dir=_out, engine=_engine)

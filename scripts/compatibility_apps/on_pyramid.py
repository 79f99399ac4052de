from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid.config import Configurator
from pyramid.response import Response

import reqprof
from compatibility_apps import OUT, work

if TYPE_CHECKING:
    from pyramid.request import Request


def view(request: Request) -> Response:
    return Response(work(int(request.matchdict["book"])))


with Configurator() as config:
    config.add_route("book", "/books/{book}")
    config.add_view(view, route_name="book")
app = reqprof.ProfilerMiddleware(config.make_wsgi_app(), out_dir=OUT)

"""The bookshop with every request profiled. No other module here knows of reqprof."""

from __future__ import annotations

import os

from reqprof import ProfilerMiddleware

from .views import create_app

__all__ = ["app", "create_app"]

app = create_app()
app.wsgi_app = ProfilerMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, out_dir=os.environ.get("SHOP_PROFILES", "profiles")
)

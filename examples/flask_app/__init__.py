"""A small bookshop on Flask and SQLAlchemy. Run it with `gunicorn flask_app.shop:app`."""

from __future__ import annotations

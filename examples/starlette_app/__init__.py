"""A town's tram times on Starlette and sqlite3. Run it with `uvicorn starlette_app.trams:app`."""

from __future__ import annotations

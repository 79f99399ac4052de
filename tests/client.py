"""What a server does with an ASGI app for one request."""

from __future__ import annotations

import asyncio
from typing import Any


async def ask(app: Any, path: str, sent: list[Any]) -> None:
    """GET ``path`` from a client that stays until the end; its messages go to ``sent``."""
    incoming = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in incoming:
            return message
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Any) -> None:
        sent.append(message)

    await app(http_scope(path), receive, send)


def http_scope(path: str) -> dict[str, Any]:
    """All that the ASGI specification has for a GET."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "state": {},
    }

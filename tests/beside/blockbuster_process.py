"""Serves under BlockBuster, which raises where the event loop's thread is about to block."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import blockbuster.blockbuster

from tests.beside.serving import Shop, told

blocked: list[list[str]] = []


class Noted(blockbuster.blockbuster.BlockingError):
    """Whoever may swallow it."""

    def __init__(self, function: str) -> None:
        super().__init__(function)
        blocked.append([function, *traceback.format_stack()[-6:-1]])


async def serve(made: Shop) -> None:
    with suppress(blockbuster.blockbuster.BlockingError):
        time.sleep(0)  # to be found, or else nothing is proven
    # Twice, as much happens at the first request only.
    await made.serve_async()
    await made.serve_async()


def main() -> None:
    middleware, folder = sys.argv[1:]
    blockbuster.blockbuster.BlockingError = Noted  # type: ignore[assignment, misc]
    made = Shop(middleware, Path(folder))
    with blockbuster.blockbuster_ctx():
        asyncio.run(serve(made))
    print(json.dumps({**told([made], Path(folder)), "blocked": blocked}))


if __name__ == "__main__":
    main()

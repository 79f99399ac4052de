"""The exact engine's tree of a request to each example: every stack and every call of it."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import create_environ

from tests.conftest import need_engine
from tests.record.test_exact import recorded, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Function
    from tests.record.test_exact import Stack

    Request = Callable[[], object]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection")]

EXAMPLES = Path(__file__).parents[2] / "examples"

# What is called when something dies, which the oracle keeps alive with its frames.
FINALISERS = {
    ("sqlalchemy/orm/state.py", "_cleanup"),
    ("python3/weakref.py", "remove"),
    ("werkzeug/test.py", "__del__"),
}


def flask() -> Request:
    app = import_module("flask_app.views").create_app()

    def request() -> object:
        return list(app.wsgi_app(create_environ("/books/3"), lambda *_: lambda data: None))

    return request


def starlette() -> Request:
    app = import_module("starlette_app.views").create_app()
    scope = {"type": "http", "method": "GET", "path": "/stops/3", "headers": [], "root_path": ""}

    async def send(message: Any) -> None: ...

    def request() -> object:
        running = app({**scope, "query_string": b""}, send, send)
        while True:
            try:
                running.send(None)
            except StopIteration:
                return running

    return request


def without_finalisers(found: tuple[Counter[Stack], Counter[Stack]]) -> list[Counter[Stack]]:
    def dies(function: Function) -> bool:
        file = re.sub(r"python3\.\d+", "python3", function[0])
        return any(file.endswith(end) and function[2] == name for end, name in FINALISERS)

    return [
        Counter({stack: n for stack, n in counter.items() if not any(map(dies, stack))})
        for counter in found
    ]


@pytest.mark.parametrize("example", [flask, starlette])
def test_every_stack_and_every_call_is_there(
    example: Callable[[], Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_engine("exact")
    monkeypatch.syspath_prepend(EXAMPLES)
    request = example()
    for _ in range(3):  # caches are warm for both
        request()
    found, expected = (
        without_finalisers(count(request).below("request")) for count in (recorded, watched)
    )
    assert sum(found[0].values()) > 400
    assert found == expected

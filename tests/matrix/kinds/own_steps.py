"""Work in the request's own task, between its awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from tests.matrix.kind import WEBSOCKET, kind, respond
from tests.matrix.own import VARIABLE, Own

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@kind()
async def own_steps(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set(own.number)
    for times in range(4):
        own.step(times)
        await own.pause()
    await receive()
    own.step(2)
    own.see()
    await respond(scope, send)
    own.step(1)


@kind()
async def deep_awaits(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def down(depth: int) -> None:
        own.step(1)
        await own.pause()
        if depth:
            await down(depth - 1)
        own.step(1)

    await down(5)
    await respond(scope, send)


@kind()
async def no_wait_at_all(scope: Any, receive: Any, send: Any) -> None:
    scope["own"].step(3)
    await respond(scope, send)


@kind()
async def stream(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(5):
        own.step(number)
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await own.pause()
    await send({"type": "http.response.body", "body": b""})
    own.after(2)


@kind(**WEBSOCKET)
async def websocket(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    VARIABLE.set("in the session")
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        own.step(2)
        await send({"type": "websocket.send", "text": f"{own.number} heard {message['text']}"})
    own.step(1)


@kind()
async def exception(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    own.step(1)
    await own.pause()
    try:
        own.step(2)
        raise own.error
    finally:
        await own.pause()
        own.step(3)


@kind()
async def exception_after_the_response(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    await respond(scope, send)
    own.after(2)
    await own.pause()
    raise own.error


@kind()
async def exception_caught(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def fails() -> None:
        await own.pause()
        own.step(1)
        raise own.error

    for _ in range(3):
        try:
            await fails()
        except LookupError as error:
            own.see(error is own.error)
            own.step(1)
    await respond(scope, send)


@kind()
async def async_generator(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]

    async def numbers() -> AsyncGenerator[int, int | None]:
        try:
            for number in range(5):
                own.step(1)
                await own.pause()
                own.see((yield number))
        except LookupError:
            own.step(10)
            await own.pause()
            yield -1
        finally:
            own.step(1)
            await own.pause()
            own.step(1)

    async for _ in numbers():
        own.step(1)
    talking = numbers()
    await anext(talking)
    await talking.asend(7)
    await talking.athrow(LookupError("to the generator"))
    await talking.aclose()
    await respond(scope, send)


@kind(meets=True)
async def all_meet(scope: Any, receive: Any, send: Any) -> None:
    """Each request is woken from within the step of another one."""
    own: Own = scope["own"]
    own.step(2)
    await own.pause()
    await scope["crowd"].meet()
    own.step(3)
    await respond(scope, send)


@kind()
async def lock_that_all_share(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    for _ in range(2):
        async with scope["crowd"].lock:
            own.step(1)
            await anyio.sleep(0)
            own.step(1)
    await respond(scope, send)


@kind()
async def time_out(scope: Any, receive: Any, send: Any) -> None:
    own: Own = scope["own"]
    with anyio.move_on_after(0.002 + own.delay):
        try:
            own.step(1)
            await anyio.sleep_forever()
        finally:
            own.step(2)
    try:
        with anyio.fail_after(0.001):
            await anyio.sleep_forever()
    except TimeoutError:
        own.step(3)
    await respond(scope, send)

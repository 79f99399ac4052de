"""Programs to record: a little of everything that Python calls functions for."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def recursion() -> int:
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    return fib(12)


def generators() -> list[int]:
    def numbers(n: int) -> Generator[int, None, None]:
        for i in range(n):  # noqa: UP028
            yield i

    half_way = numbers(9)
    next(half_way)
    half_way.close()
    return [sum(numbers(5)), *(x for x in numbers(4))]


def exceptions() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("bottom")
        deep(n - 1)

    def thrown_into() -> Generator[int, None, None]:
        try:
            yield 1
        except KeyError:
            yield 2

    for _ in range(3):
        with contextlib.suppress(ValueError):
            deep(5)
    generator = thrown_into()
    next(generator)
    if sys.version_info[:3] != (3, 12, 1):  # its cProfile does not see a throw
        generator.throw(KeyError())


def callbacks_from_c() -> object:
    text = json.dumps({"a": [1, 2, {"b": None}]}, indent=1, sort_keys=True)
    return (
        re.sub(r"\d", lambda match: match[0] * 2, text),
        sorted(range(20), key=lambda n: -n),
        json.loads(text, object_hook=lambda d: d),
    )


def classes() -> object:
    class Thing:
        def __init__(self, n: int) -> None:
            self.n = n

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Thing) and other.n == self.n

        __hash__ = None  # type: ignore[assignment]

        @property
        def double(self) -> int:
            return self.n * 2

    return [Thing(n).double for n in range(5)], Thing(1) == Thing(2)


def comprehensions() -> object:
    def even(n: int) -> bool:
        return n % 2 == 0

    numbers = [n for n in range(6) if even(n)]
    return {n: {m for m in numbers if even(m)} for n in numbers}, [[str(n)] for n in numbers]


def coroutines() -> None:
    class Pause:
        def __await__(self) -> Generator[int, None, None]:
            yield 1

    async def deep(n: int) -> None:
        await (deep(n - 1) if n else Pause())

    async def numbers() -> Any:
        for n in range(3):
            await Pause()
            yield n

    async def main() -> list[Any]:
        await deep(3)
        return [n async for n in numbers()]

    running = main()
    try:
        while True:
            running.send(None)
    except StopIteration:
        pass


def thrown_and_closed() -> None:
    def generator() -> Generator[int, None, None]:
        for _ in range(2):
            try:
                yield 1
            except KeyError:
                yield 2

    def never() -> Generator[int, None, None]:
        yield 0

    running = generator()
    next(running)
    running.throw(KeyError())
    next(running)
    running.close()
    never().close()


def evaluated() -> list[Any]:
    return [eval("[n * n for n in range(4)]"), eval(compile("len('x')", "<text>", "eval"))]


def decorated() -> int:
    def twice(function: Callable[[int], int]) -> Callable[[int], int]:
        @wraps(function)
        def call(n: int) -> int:
            return function(function(n))

        return call

    @twice
    @twice
    def more(n: int) -> int:
        return n + 1

    return more(0)


def finalised() -> None:
    class Thing:
        def __del__(self) -> None:
            len([self])

    things = [Thing() for _ in range(3)]
    things.clear()


def signalled() -> None:
    def handler(*_: Any) -> None:
        len([])

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for _ in range(3):
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def unwound() -> None:
    def fails(depth: int) -> None:
        try:
            if depth:
                fails(depth - 1)
            else:
                int("no number")
        finally:
            len("x")

    for depth in (0, 3, 1):
        try:
            fails(depth)
        except ValueError:
            continue


PROGRAMS = [
    *(recursion, generators, coroutines, exceptions, unwound, thrown_and_closed),
    *(callbacks_from_c, classes, comprehensions, evaluated, decorated, finalised, signalled),
]

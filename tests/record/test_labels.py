"""``reqprof.label()``: what the app says of a request is a fact of that request and of no other."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from reqprof import asgi, wsgi
from reqprof.record.labels import MAX_LABELS, MAX_NAME, MAX_VALUE
from tests.conftest import Profiles, calls
from tests.doors.test_asgi import respond, run, scope
from tests.doors.test_wsgi import Server, environ
from tests.record.test_recorder import Service, WsgiService, counts, facts, service

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["service"]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


def labels(profiles: Profiles) -> list[dict[str, str]]:
    """Of each profile, in the order of its path."""
    found = [profile.request for profile in profiles.read() if profile.request]
    return [request.labels for request in sorted(found, key=lambda one: one.path or "")]


@pytest.mark.parametrize("follow", [True, False])
def test_they_are_facts_of_the_request(service: Service, profiles: Profiles, follow: bool) -> None:
    def task() -> None:
        reqprof.label(tenant="acme", plan=7)
        reqprof.label(plan=8, free=False)

    served = service(task, profiles.folder, follow=follow)
    served.get()
    counts(served)
    assert facts(profiles).labels == {"tenant": "acme", "plan": "8", "free": "False"}


def test_nothing_of_it_is_in_the_profile(service: Service, profiles: Profiles) -> None:
    found = []
    for number, task in enumerate([lambda: None, lambda: reqprof.label(tenant="acme", plan=7)]):
        folder = Profiles(profiles.folder / str(number))
        vars(reqprof).pop("label", None)  # as if it were the first time
        served = service(task, folder.folder)
        served.get()
        counts(served)
        found.append(calls(folder.one()))
    assert found[0] == found[1]


def test_outside_of_a_request_and_in_one_that_is_not_profiled_nothing_happens(
    service: Service, profiles: Profiles
) -> None:
    reqprof.label(tenant="acme")
    served = service(lambda: reqprof.label(tenant="acme"), profiles.folder, sample=0.0)
    assert served.get() == b"ok"
    assert counts(served) == {}


class TestBounds:
    def told(self, folder: Any, **given: Any) -> dict[str, str]:
        served = WsgiService(lambda: reqprof.label(**given), folder)
        served.get()
        counts(served)
        return facts(Profiles(folder)).labels

    def test_so_many_and_no_more(self, profiles: Profiles) -> None:
        given = {f"n{number}": number for number in range(MAX_LABELS + 1)}
        found = self.told(profiles.folder, **given)
        assert found == {f"n{number}": str(number) for number in range(MAX_LABELS)}

    def test_one_that_is_there_can_be_changed_when_there_is_no_room(
        self, profiles: Profiles
    ) -> None:
        def task() -> None:
            reqprof.label(**{f"n{number}": 1 for number in range(MAX_LABELS)})
            reqprof.label(n0=2, more=2)

        served = WsgiService(task, profiles.folder)
        served.get()
        counts(served)
        assert facts(profiles).labels["n0"] == "2"
        assert "more" not in facts(profiles).labels

    def test_values_are_cut_and_names_that_are_too_long_left_out(self, profiles: Profiles) -> None:
        long = "x" * MAX_NAME
        given = {long: "v" * (MAX_VALUE + 1), f"{long}y": 1}
        assert self.told(profiles.folder, **given) == {long: "v" * MAX_VALUE}

    def test_odd_values_are_texts_or_left_out(self, profiles: Profiles) -> None:
        class Raises:
            def __str__(self) -> str:
                raise ValueError("no")

        class NoText:
            def __str__(self) -> str:
                return 7  # type: ignore[return-value]

        class Text(str):
            __slots__ = ()

        given = {
            "raises": Raises(),
            "no text": NoText(),
            "own": Text("own"),
            "none": None,
            "float": 2.5,
            "list": [1, "a"],
            "huge": 10**5000,
            "": "empty",
            "a\nb": "c\x1b[31m\udcff",
        }
        assert self.told(profiles.folder, **given) == {
            "own": "own",
            "none": "None",
            "float": "2.5",
            "list": "[1, 'a']",
            "": "empty",
            "a\nb": "c\x1b[31m\udcff",
        }


class TestWsgi:
    def test_a_body_that_streams(self, profiles: Profiles) -> None:
        class Body:
            def __iter__(self) -> Iterator[bytes]:
                reqprof.label(began="1")
                yield b"a"
                reqprof.label(went_on="1")
                yield b"b"

            def close(self) -> None:
                reqprof.label(closed="1")

        def app(environ: Any, start_response: Any) -> Body:
            start_response("200 OK", [])
            return Body()

        middleware = wsgi.ProfilerMiddleware(app, profiles.folder)
        body = middleware(environ(), Server().start_response)
        for _ in body:
            reqprof.label(servers="1")  # between the chunks
        body.close()  # type: ignore[attr-defined]
        assert middleware.flush()
        assert facts(profiles).labels == {"began": "1", "went_on": "1", "closed": "1"}

    def test_threads_at_once_and_their_pools(self, profiles: Profiles) -> None:
        both = threading.Barrier(2)

        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            name = environ["PATH_INFO"]
            both.wait(10)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(reqprof.label, pool=name).result()
            reqprof.label(own=name)
            both.wait(10)
            return [b""]

        middleware = wsgi.ProfilerMiddleware(app, profiles.folder)

        def ask(path: str) -> None:
            body: Any = middleware(environ(path), Server().start_response)
            list(body)
            body.close()
            reqprof.label(late=path)  # the thread is nobody's again

        threads = [threading.Thread(target=ask, args=(path,)) for path in ("/a", "/b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert middleware.flush()
        assert labels(profiles) == [{"pool": path, "own": path} for path in ("/a", "/b")]


class TestAsgi:
    def test_child_tasks_and_pool_threads(self, profiles: Profiles) -> None:
        async def child(name: str) -> None:
            await asyncio.sleep(0)
            reqprof.label(child=name)
            await asyncio.to_thread(reqprof.label, thread=name)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            name = scope["path"]
            await asyncio.gather(asyncio.sleep(0), asyncio.create_task(child(name)))
            reqprof.label(own=name)
            await respond(send, b"ok")
            reqprof.label(after=name)

        middleware = asgi.ProfilerMiddleware(app, profiles.folder)
        run(middleware, *(scope(path=path) for path in ("/a", "/b", "/c")))
        expected = ["child", "thread", "own", "after"]
        assert labels(profiles) == [dict.fromkeys(expected, path) for path in ("/a", "/b", "/c")]

    def test_what_outlives_the_request_labels_nothing(self, profiles: Profiles) -> None:
        tasks = []

        async def child() -> None:
            await asyncio.sleep(0.05)
            reqprof.label(late="1")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            tasks.append(asyncio.create_task(child()))
            await respond(send, b"ok")

        async def send(message: Any) -> None: ...

        middleware: Any = asgi.ProfilerMiddleware(app, profiles.folder)

        async def main() -> None:
            await middleware(scope(), None, send)
            await tasks[0]

        asyncio.run(main())
        assert middleware.flush()
        assert facts(profiles).labels == {}

    def test_a_websocket(self, profiles: Profiles) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.accept"})
            reqprof.label(room=7)

        run(asgi.ProfilerMiddleware(app, profiles.folder), scope("websocket"))
        assert facts(profiles).labels == {"room": "7"}


def test_the_command_finds_a_request_by_its_label(profiles: Profiles) -> None:
    from click.testing import CliRunner

    from reqprof.cli import cli

    served = WsgiService(lambda: reqprof.label(tenant="acme"), profiles.folder)
    served.get()
    counts(served)
    mine = facts(profiles).id
    for value, found in (("acme", True), ("other", False)):
        arguments = ["slowest", str(profiles.folder), "--label", f"tenant={value}"]
        assert (mine in CliRunner().invoke(cli, arguments).output) == found

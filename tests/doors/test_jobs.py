"""``reqprof.session``: work that is no request, recorded by the rules of those that are."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import reqprof
from reqprof import asgi, jobs, wsgi
from reqprof.cli.select import Wanted
from reqprof.cli.traffic import Traffic
from reqprof.tree.profile import tree_of
from tests.conftest import Profiles, calls
from tests.doors.test_asgi import respond, run, scope
from tests.doors.test_wsgi import Server, environ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Request
    from reqprof.store.traffic import Tally

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("no_collection", "each_engine")]


@pytest.fixture(autouse=True)
def _new_recorders() -> Iterator[None]:
    """A recorder that is kept has its engine, and each test may have another."""
    jobs._kept.cache_clear()
    yield
    jobs._kept.cache_clear()


def leaf() -> int:
    return 1


def work(times: int = 3) -> int:
    return sum([leaf() for _ in range(times)])


def facts(profiles: Profiles) -> Request:
    request = profiles.one().request
    assert request is not None
    return request


def counted(session: jobs.Session) -> dict[str, int]:
    """What was counted, when all is done; nothing for what never happened."""
    assert session.flush()
    return {name: count for name, count in session.counters.items() if count}


ONE = {"profiled": 1, "stored": 1}
SUM = "<built-in method builtins.sum>"
APPEND = "<method 'append' of 'list' objects>"
WORK = {"work", "leaf", "<listcomp>", SUM}


class TestWith:
    def test_it_leaves_a_profile_of_the_block(self, profiles: Profiles) -> None:
        with reqprof.session("nightly", profiles.folder) as session:
            work()
        work(100)
        assert counted(session) == ONE
        request = facts(profiles)
        assert (request.kind, request.method, request.status) == ("job", "", None)
        assert (request.path, request.route, request.guessed) == ("nightly", "nightly", False)
        assert request.exception is None
        assert 0 < request.duration == request.total
        found = calls(profiles.one())
        assert (found["work"], found["leaf"]) == (1, 3)
        assert set(found) <= WORK

    def test_what_it_raises_passes_and_is_a_fact(self, profiles: Profiles) -> None:
        error = KeyError("mine")

        def whole(session: jobs.Session) -> None:
            with session:
                work()
                raise error

        session = reqprof.session("nightly", profiles.folder)
        with pytest.raises(KeyError) as caught:
            whole(session)
        assert caught.value is error
        assert counted(session) == ONE
        assert facts(profiles).exception == "KeyError"

    def test_one_may_be_entered_again_and_by_many_threads(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)
        both = threading.Barrier(2)

        def one() -> None:
            with session:
                both.wait(10)
                work()
                both.wait(10)

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with session:
            work()
        assert counted(session) == {"profiled": 3, "stored": 3}
        assert [calls(profile)["leaf"] for profile in profiles.read()] == [3, 3, 3]

    def test_inside_of_itself_it_is_part_of_the_outer_one(self, profiles: Profiles) -> None:
        session = reqprof.session("outer", profiles.folder)
        inner = reqprof.session("inner", profiles.folder)
        with session:
            with session, inner:
                work()
            work()
        work()
        assert counted(session) == {"profiled": 1, "stored": 1, "skipped_nested": 2}
        assert facts(profiles).path == "outer"
        found = calls(profiles.one())
        assert (found["work"], found["leaf"]) == (2, 6)
        assert set(found) <= WORK

    def test_its_pool_threads_count_and_it_can_be_labelled(self, profiles: Profiles) -> None:
        with reqprof.session("nightly", profiles.folder) as session:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work).result()
            reqprof.label(tenant="acme")
        assert counted(session) == ONE
        assert calls(profiles.one())["leaf"] == 3
        assert facts(profiles).jobs == 1
        assert facts(profiles).labels == {"tenant": "acme"}

    def test_through_an_exit_stack(self, profiles: Profiles) -> None:
        with contextlib.ExitStack() as stack:
            session = stack.enter_context(reqprof.session("nightly", profiles.folder))
            work()
        work()
        assert counted(session) == ONE
        assert calls(profiles.one())["leaf"] == 3

    def test_left_without_having_been_entered_nothing_happens(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)
        session.__exit__(None, None, None)
        assert counted(session) == {}


class TestSuspended:
    """Others run between the steps of what suspends: no ``with`` is told."""

    def test_in_a_coroutine_nothing_is_recorded(
        self, profiles: Profiles, caplog: pytest.LogCaptureFixture
    ) -> None:
        session = reqprof.session("nightly", profiles.folder)

        async def one() -> None:
            with session:
                await asyncio.sleep(0)
            async with contextlib.AsyncExitStack() as stack:
                stack.enter_context(session)
                await asyncio.sleep(0)

        async def main() -> None:
            await asyncio.gather(one(), one())

        asyncio.run(main())
        assert counted(session) == {"skipped_async": 4}
        assert profiles.paths() == []
        assert len([line for line in caplog.messages if "skipped_async" in line]) == 1

    def test_nor_in_a_generator(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @contextlib.contextmanager
        def wrapped() -> Iterator[None]:
            with session:
                yield

        with wrapped():
            work()
        assert counted(session) == {"skipped_async": 1}

    def test_a_plain_function_that_a_coroutine_calls_is_recorded(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        def whole() -> None:
            with session:
                work()

        async def main() -> None:
            whole()

        asyncio.run(main())
        assert counted(session) == ONE
        assert calls(profiles.one())["leaf"] == 3

    def test_a_whole_loop_inside_is_its_work(self, profiles: Profiles) -> None:
        async def main() -> int:
            await asyncio.sleep(0)
            return work()

        with reqprof.session("nightly", profiles.folder) as session:
            assert asyncio.run(main()) == 3
        assert counted(session) == ONE
        assert calls(profiles.one())["leaf"] == 3


class TestDecorator:
    def test_each_call_leaves_a_profile(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @session
        def task(times: int, *, more: int = 0) -> int:
            """What it does."""
            return work(times + more)

        assert (task.__name__, task.__doc__) == ("task", "What it does.")
        assert task(2, more=1) == 3
        assert task(4) == 4
        assert counted(session) == {"profiled": 2, "stored": 2}
        found = sorted(calls(profile)["leaf"] for profile in profiles.read())
        assert found == [3, 4]
        assert {calls(profile)["task"] for profile in profiles.read()} == {1}

    def test_a_method_and_an_object_that_can_be_called(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        class Task:
            @session
            def run(self, times: int) -> int:
                return work(times)

        assert Task().run(2) == 2
        assert session(functools.partial(work, 5))() == 5
        assert counted(session) == {"profiled": 2, "stored": 2}

    def test_what_it_raises_passes_and_is_a_fact(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @session
        def task() -> None:
            work()
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            task()
        assert counted(session) == ONE
        assert facts(profiles).exception == "SystemExit"

    def test_recursion_is_one_piece_of_work(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @session
        def task(deep: int) -> None:
            leaf()
            if deep:
                task(deep - 1)

        task(2)
        assert counted(session) == {"profiled": 1, "stored": 1, "skipped_nested": 2}
        assert calls(profiles.one()) == {"task": 3, "leaf": 3}

    def test_async_functions_are_recorded_step_by_step(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        async def child() -> None:
            await asyncio.sleep(0)
            work(1)

        @session
        async def task(name: str, times: int) -> int:
            for _ in range(times):
                await asyncio.sleep(0.001)
                work(10)
            await asyncio.gather(child(), asyncio.to_thread(work, 1))
            reqprof.label(name=name)
            return times

        async def others() -> None:
            for _ in range(20):
                await asyncio.sleep(0)
                others_work()

        def others_work() -> None: ...

        async def main() -> Any:
            return await asyncio.gather(task("a", 2), others(), task("b", 3))

        assert inspect.iscoroutinefunction(task)
        assert asyncio.run(main()) == [2, None, 3]
        assert counted(session) == {"profiled": 2, "stored": 2}
        found = {}
        for profile in profiles.read():
            assert profile.request is not None
            assert profile.request.waited is not None
            assert (profile.request.tasks, profile.request.jobs) == (2, 1)
            found[profile.request.labels["name"]] = calls(profile)["leaf"]
            assert "others_work" not in calls(profile)
        assert found == {"a": 22, "b": 32}

    def test_what_an_async_one_raises_passes(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @session
        async def task() -> None:
            await asyncio.sleep(0)
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            asyncio.run(task())
        assert counted(session) == ONE
        assert facts(profiles).exception == "KeyError"

    def test_async_ones_inside_of_each_other_are_one(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        @session
        async def inner() -> None:
            await asyncio.sleep(0)
            work()

        @session
        async def outer() -> None:
            await inner()
            await asyncio.create_task(inner())

        asyncio.run(outer())
        assert counted(session) == {"profiled": 1, "stored": 1, "skipped_nested": 2}
        assert calls(profiles.one())["leaf"] == 6


class TestInRequests:
    def test_under_wsgi_it_is_part_of_the_request(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder / "jobs")

        def app(environ: Any, start_response: Any) -> list[bytes]:
            with session:
                work()
            start_response("200 OK", [])
            return [b"ok"]

        middleware = wsgi.ProfilerMiddleware(app, profiles.folder)
        body: Any = middleware(environ(), Server().start_response)
        list(body)
        body.close()
        assert counted(session) == {"skipped_nested": 1}
        found = calls(profiles.one())
        mine = {"app": 1, "work": 1, "leaf": 3, SUM: 1}
        assert {name: found.pop(name) for name in mine} == mine
        assert set(found) <= {"<listcomp>", "start_response", APPEND}  # of the server

    def test_under_asgi_too_and_an_unprofiled_request_leaves_it_alone(
        self, profiles: Profiles
    ) -> None:
        session = reqprof.session("nightly", profiles.folder / "jobs")

        @session
        async def task() -> None:
            await asyncio.sleep(0)
            work()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await task()
            await respond(send, b"ok")

        run(asgi.ProfilerMiddleware(app, profiles.folder), scope())
        assert counted(session) == {"skipped_nested": 1}
        assert calls(profiles.one())["leaf"] == 3
        run(asgi.ProfilerMiddleware(app, profiles.folder, sample=0.0), scope())
        assert counted(session) == {**ONE, "skipped_nested": 1}


class TestRules:
    def test_they_are_those_of_requests(self, profiles: Profiles) -> None:
        asked: list[Request] = []
        stored: list[str | None] = []

        def sample(request: Request) -> bool:
            asked.append(request)
            return request.path == "yes"

        for name in ("yes", "no"):
            session = reqprof.session(
                name,
                profiles.folder,
                sample=sample,
                on_profile=lambda request, path: stored.append(request.path),
            )
            with session:
                work()
            assert session.flush()
        assert [(request.kind, request.path) for request in asked] == [
            ("job", "yes"),
            ("job", "no"),
        ]
        assert stored == ["yes"]
        assert len(profiles.paths()) == 1

    def test_builtins_clock_paths_and_caps(self, profiles: Profiles) -> None:
        options: Any = {"builtins": False, "clock": "cpu", "store_path": False, "max_files": 2}
        session = reqprof.session("nightly", profiles.folder, **options)
        for _ in range(5):
            with session:
                work()
        assert session.flush()
        assert len(profiles.paths()) <= 3
        request = profiles.read()[0].request
        assert request is not None
        assert (request.builtins, request.clock, request.path) == (False, "cpu", None)
        assert request.route == "nightly"

    def test_recorders_are_kept_for_equal_options(self, profiles: Profiles) -> None:
        one = reqprof.session("one", profiles.folder, sample=1.0)
        two = reqprof.session("two", str(profiles.folder), sample=1.0)
        other = reqprof.session("one", profiles.folder, sample=0.5)
        assert one._recorder is two._recorder is not other._recorder

    def test_a_callable_that_cannot_be_looked_up_will_do(self, profiles: Profiles) -> None:
        class Never:
            __hash__ = None  # type: ignore[assignment]

            def __call__(self, request: Request) -> bool:
                return False

        with reqprof.session("nightly", profiles.folder, sample=Never()) as session:
            work()
        assert counted(session) == {}

    def test_so_many_and_no_more_are_kept(self, profiles: Profiles) -> None:
        for number in range(1, jobs.MAX_RECORDERS + 10):
            reqprof.session("nightly", profiles.folder, sample=0.0, max_files=number)
        assert jobs._kept.cache_info().currsize == jobs.MAX_RECORDERS

    def test_switched_off_it_does_nothing(
        self, profiles: Profiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQPROF_ENABLED", "0")
        session = reqprof.session("nightly", profiles.folder)
        with session:
            assert session(work)() == 3
        assert asyncio.run(session(asyncio.sleep)(0, 7)) == 7
        assert session.counters == {}
        assert not profiles.folder.exists()

    def test_a_bad_environment_only_counts(self, profiles: Profiles) -> None:
        profiles.folder.write_text("a file")
        with reqprof.session("nightly", profiles.folder) as session:
            work()
        assert counted(session) == {"profiled": 1, "unwritten": 1, "unsaved_times": 1}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": 7}, "name is a text that names the work; got 7"),
    ({"name": ""}, "name must not be empty"),
    ({"out_dir": 7}, "out_dir is a folder's path; got 7"),
    ({"sample": 2}, "sample must be from 0 to 1; got 2"),
    ({"max_file": 2}, "max_file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_bad_argument_raises_where_it_is_given(arguments: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        reqprof.session(**{"name": "nightly", **arguments})


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> Any:
    yield 1


@pytest.mark.parametrize("bad", [7, "nightly", generator, async_generator])
def test_so_does_what_cannot_be_decorated(bad: Any, tmp_path: Any) -> None:
    with pytest.raises(TypeError, match="session") as caught:
        reqprof.session("nightly", tmp_path)(bad)
    assert repr(bad) in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_stores_its_own(profiles: Profiles) -> None:
    session = reqprof.session("nightly", profiles.folder)
    with session:
        work()
    assert session.flush()
    child = os.fork()
    if child == 0:
        with session:
            work()
        os._exit(0 if session.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
    found = [profile.request.pid for profile in profiles.read() if profile.request]
    assert sorted(found) == sorted([os.getpid(), child])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_one_that_is_forked_inside_of_the_work_leaves_it_to_its_parent(profiles: Profiles) -> None:
    session = reqprof.session("nightly", profiles.folder)
    with session:
        child = os.fork()
        if child == 0:
            session.__exit__(None, None, None)
            os._exit(0 if session.flush() else 1)
        assert os.waitpid(child, 0)[1] == 0
        work()
    assert counted(session) == ONE
    assert calls(profiles.one())["leaf"] == 3


SCRIPT = """
import reqprof, sys

@reqprof.session("script", sys.argv[1], engine=sys.argv[2])
def main():
    return sorted("cba")

main()
with reqprof.session("block", sys.argv[1], engine=sys.argv[2]):
    sys.exit("the end")
"""


def test_a_script_that_ends_leaves_its_profiles(profiles: Profiles, each_engine: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(profiles.folder), each_engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "the end")
    found = {profile.request.path for profile in profiles.read() if profile.request}
    assert found == {"script", "block"}


class TestWatched:
    @pytest.fixture
    def session(self, profiles: Profiles) -> jobs.Session:
        return reqprof.session("nightly", profiles.folder, sample=0, watch_after="20ms")

    def one(self, session: jobs.Session, profiles: Profiles) -> list[str]:
        session.flush()
        profile = profiles.one()
        assert profile.request is not None
        assert (profile.request.kind, profile.request.engine) == ("job", "watch")
        assert (profile.request.route, profile.request.guessed) == ("nightly", False)
        tree = tree_of(profile)
        return [node.function[2] for _, node in tree.walk() if node.total > 0.9 * tree.total]

    def test_a_block_begins_with_its_function(
        self, session: jobs.Session, profiles: Profiles
    ) -> None:
        def rest() -> None:
            time.sleep(0.3)

        def work() -> None:
            with session:
                rest()

        work()
        assert self.one(session, profiles) == ["all", "work", "rest"]

    def test_a_function(self, session: jobs.Session, profiles: Profiles) -> None:
        @session
        def work() -> None:
            time.sleep(0.3)

        work()
        assert self.one(session, profiles) == ["all", "work"]

    def test_an_async_function(self, session: jobs.Session, profiles: Profiles) -> None:
        @session
        async def work() -> None:
            await asyncio.sleep(0.3)

        asyncio.run(work())
        assert self.one(session, profiles) == ["all", "work", "sleep", "waiting"]

    def test_a_task_that_it_waits_for(self, session: jobs.Session, profiles: Profiles) -> None:
        async def part() -> None:
            await asyncio.sleep(0.3)

        @session
        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(part())

        asyncio.run(work())
        assert self.one(session, profiles)[-3:] == ["part", "sleep", "waiting"]


class TestTimed:
    """Work that goes unprofiled is timed, as requests are."""

    def test_in_a_with_and_decorated(self, profiles: Profiles) -> None:
        session = reqprof.session("/nightly/17", profiles.folder, sample=0.0)
        with session:
            work()
        assert session(work)(5) == 5

        @session
        async def task() -> int:
            await asyncio.sleep(0.01)
            return work()

        assert asyncio.run(task()) == 3
        found = tallied(session, profiles)
        assert [(one.kind, one.method, one.path, one.route) for one in found] == [
            ("job", "", "/nightly/17", "/nightly/17")
        ] * 3
        assert not any(one.guessed or one.status or one.exception or one.engine for one in found)
        assert max(one.duration for one in found) >= 0.01
        assert profiles.paths() == []

    def test_what_it_raises_passes_and_is_a_fact(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder, exclude="*")
        error = KeyError("mine")

        def fail() -> None:
            raise error

        async def fail_later() -> None:
            await asyncio.sleep(0)
            raise error

        def whole() -> None:
            with session:
                fail()

        for failing in (whole, session(fail), lambda: asyncio.run(session(fail_later)())):
            with pytest.raises(KeyError) as caught:
                failing()
            assert caught.value is error
        with pytest.raises(TypeError):
            asyncio.run(session(fail_later)(7))  # type: ignore[call-arg]
        found = tallied(session, profiles)
        assert sorted(str(one.exception) for one in found) == [*["KeyError"] * 3, "TypeError"]
        assert counted(session) == {"skipped_rules": 4}

    def test_beside_profiled_ones(self, profiles: Profiles) -> None:
        chosen = iter([True, False, True])
        session = reqprof.session("nightly", profiles.folder, sample=lambda request: next(chosen))
        for _ in range(3):
            with session:
                work()
        found = tallied(session, profiles)
        assert [one.engine for one in found] == [""]  # files have the facts of the others
        (tally,) = tallies(profiles)
        assert (tally.count, tally.traced) == (3, 2)
        assert counted(session) == {"profiled": 2, "stored": 2}

    def test_a_with_that_cannot_be_recorded_is_timed(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder)

        async def one() -> None:
            with session:
                await asyncio.sleep(0.01)

        async def main() -> None:
            await asyncio.gather(one(), one())

        asyncio.run(main())
        assert [one.duration >= 0.01 for one in tallied(session, profiles)] == [True, True]

    def test_inside_of_recorded_work_it_is_not(self, profiles: Profiles) -> None:
        session = reqprof.session("inner", profiles.folder, sample=0.0)
        decorated = session(work)

        async def suspended() -> None:
            with session:
                await asyncio.sleep(0)

        with reqprof.session("outer", profiles.folder) as outer:
            decorated()
            with session:
                work()
            with contextlib.suppress(StopIteration):
                suspended().send(None)
        assert outer.flush()
        assert tallied(session, profiles) == []
        (tally,) = tallies(profiles)
        assert tally.count == 1
        assert set(calls(profiles.one())) <= WORK | {
            *("suspended", "sleep", "__sleep0", "__init__", "__enter__", "__exit__", "suppress"),
            *("<method 'send' of 'coroutine' objects>", "<built-in method builtins.issubclass>"),
            "<method 'close' of 'coroutine' objects>",
        }

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_a_forked_child_leaves_it_to_its_parent(self, profiles: Profiles) -> None:
        session = reqprof.session("nightly", profiles.folder, sample=0.0)
        with session:
            child = os.fork()
            if child == 0:
                session.__exit__(None, None, None)
                os._exit(0 if session.flush() else 1)
            assert os.waitpid(child, 0)[1] == 0
        assert [one.pid for one in tallied(session, profiles)] == [os.getpid()]


def tallied(session: jobs.Session, profiles: Profiles) -> list[Request]:
    """The facts of those that were only timed."""
    assert session.flush()
    return Traffic.of(profiles.folder).slowest()


def tallies(profiles: Profiles) -> list[Tally]:
    stored = [profile.request for profile in profiles.read() if profile.request]
    return list(Traffic.of(profiles.folder).routes(stored, Wanted()).values())


def test_a_session_that_is_not_chosen_costs_no_profile(profiles: Profiles) -> None:
    session = reqprof.session("nightly", profiles.folder, sample=0.0)
    assert session(work)() == 3
    assert counted(session) == {}

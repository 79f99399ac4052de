"""pprof's files: each request's samples with its labels, sums kept, memory bounded."""

from __future__ import annotations

import math
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.tree.build import build
from reqprof.tree.node import ROOT, WAITING, Node
from reqprof.tree.prune import prune
from reqprof.view import names
from reqprof.view.pprof import render
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import NAMES, chain, deep, load, wide
from tests.view.read_pprof import Frame, Profile, read
from tests.view.strategies import ANYTHING, broken, odd

if TYPE_CHECKING:
    from collections.abc import Iterator

F, G = ("/srv/shop.py", 1, "f"), ("~", 0, "<method 'execute' of 'sqlite3.Cursor' objects>")
SHOP_F, EXECUTE = ("shop.f", "/srv/shop.py", 1), ("sqlite3.Cursor.execute", "", 0)
CART = Request(
    id="0123456789ab", method="GET", route="/cart", status=200, start=1e9, duration=1.5, total=2.0
)
PLAIN = ["All stacks are exact."]


def frame(node: Node) -> Frame:
    file, line, _ = node.function
    place = "" if file == "~" else names.clean(file)
    return names.label(node.function), place, max(0, line)


def check(profile: Profile, tree: Node) -> None:
    """The profile has the tree's stacks, with the time of each within a nanosecond a frame."""
    expected: dict[tuple[Frame, ...], list[tuple[float, float]]] = {}
    path: list[Frame] = []
    for depth, node in tree.walk():
        if depth:
            path[depth - 1 :] = [frame(node)]
            expected.setdefault(tuple(path), []).append((node.self_time * 1e9, node.calls))
    assert sum(profile.times().values()) == pytest.approx(tree.total * 1e9, abs=0.51)
    times = profile.times()
    assert times.keys() <= expected.keys()
    calls: dict[tuple[Frame, ...], int] = {}
    for sample in profile.samples:
        calls[sample.stack] = calls.get(sample.stack, 0) + sample.calls
    for stack, numbers in expected.items():
        room = len(numbers) + 1e-3
        assert times.get(stack, 0) == pytest.approx(sum(time for time, _ in numbers), abs=room)
        assert calls.get(stack, 0) == pytest.approx(sum(count for _, count in numbers), abs=room)
    whole = sum(count for numbers in expected.values() for _, count in numbers)
    assert sum(calls.values()) == pytest.approx(whole, abs=0.5001)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_inputs_come_back(name: str) -> None:
    tree = build(load(name))
    check(read(render([(None, tree)])), prune(tree, max_frames=2000, max_depth=200))


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_any_calls_come_back(trace: list[Event]) -> None:
    tree = build(truth(trace).stats)
    check(read(render([(CART, tree)])), tree)


def test_odd_names_come_back() -> None:
    tree = build(odd())
    check(read(render([(None, tree)])), tree)


@settings(max_examples=100, deadline=None)
@given(ANYTHING, ANYTHING, st.integers(-1, 2**40))
def test_names_can_do_no_harm(name: str, file: str, line: int) -> None:
    tree = build({(file, line, name): (1, 1, 1.0, 1.0, {})})
    request = Request(id=name, method=file, route=name, status=200)
    (sample,) = read(render([(request, tree)], comments=lambda: [name, file])).samples
    assert (sample.calls, sample.time) == (1, 10**9)
    assert sample.labels.get("route", "") == names.clean(name)


def test_absurd_numbers_can_do_no_harm() -> None:
    request = Request(id="0", status=-5, start=1e300, duration=math.inf)
    profile = read(render([(request, build(broken()))]))
    assert max(sample.calls for sample in profile.samples) == 2**63 - 1
    assert profile.samples[0].labels["status"] == 0
    assert (profile.start, profile.duration) == (9_200_000_000_000_000_000, 0)


def small() -> Node:
    tree = Node(ROOT, 4, 0.0, 1.0)
    tree.children = {F: Node(F, 1, 0.1, 1.0)}
    tree.children[F].children = {G: Node(G, 3, 0.75, 0.75), WAITING: Node(WAITING, 2, 0.15, 0.15)}
    return tree


def test_samples_have_the_labels_of_their_request() -> None:
    (f, g, waiting) = read(render([(CART, small())])).samples
    assert (f.stack, f.calls, f.time) == ((SHOP_F,), 1, 100_000_000)
    assert (g.stack, g.calls, g.time) == ((SHOP_F, EXECUTE), 3, 750_000_000)
    assert waiting.stack == (SHOP_F, ("waiting", "", 0))
    labels = {"route": "/cart", "method": "GET", "status": 200, "request": "0123456789ab"}
    assert f.labels == g.labels == waiting.labels == labels


def test_what_is_not_known_has_no_label() -> None:
    job = Request(id="0123456789ab", kind="job", route="nightly")
    assert read(render([(job, small())])).samples[0].labels == {
        "route": "nightly",
        "request": "0123456789ab",
    }
    assert read(render([(None, small())])).samples[0].labels == {}


def test_its_time_is_that_of_all_requests() -> None:
    later = Request(id="0", start=1e9 + 10, duration=1.0, total=0.0)
    profile = read(render([(later, small()), (None, small()), (CART, small())]))
    assert (profile.start, profile.duration) == (10**18, 11 * 10**9)
    unknown = read(render([(None, small()), (Request(id="0"), small())]))
    assert (unknown.start, unknown.duration) == (0, 0)


def test_comments_are_asked_for_last_and_end_with_the_trust() -> None:
    passed: list[str] = []

    def requests() -> Iterator[tuple[Request, Node]]:
        for number in range(3):
            passed.append(f"request {number}")
            yield CART, small()

    profile = read(render(requests(), comments=lambda: [*passed, "a\nb"]))
    assert profile.comments == ["request 0", "request 1", "request 2", r"a\nb", *PLAIN]


def test_the_trust_is_that_of_all_requests() -> None:
    guessed = small()
    guessed.children[F].exact, guessed.children[F].guessed = False, 0.1
    (said,) = read(render([(None, guessed), (None, small()), (None, small())])).comments
    assert said.startswith("96.7 % of the time is on exact stacks; the others are reconstructed")
    said = read(render([(None, build(load("exp14.prof")))])).comments[0]
    assert said.startswith("Stacks are reconstructed from caller-callee edges")


def test_estimated_calls_are_rounded_to_their_sum() -> None:
    tree = Node(ROOT, 5.5, 0.0, 3.0)
    counts = (0.3, 0.6, 0.6, 1.0, 3)
    for number, calls in enumerate(counts):
        f = ("/srv/x.py", number, "f")
        tree.children[f] = Node(f, calls, 0.6, 0.6)
    samples = read(render([(None, tree)])).samples
    assert [sample.calls for sample in samples] == [0, 1, 1, 1, 3]


def test_requests_are_cut_and_it_is_said() -> None:
    for tree in (wide(10_000), deep()):
        profile = read(render([(None, tree)]))
        assert len(profile.samples) <= 2000
        assert max(len(sample.stack) for sample in profile.samples) <= 201
        assert sum(profile.times().values()) == round(tree.total * 1e9)
        assert profile.comments[-1].startswith("… stands for callees")


@pytest.mark.parametrize(("count", "most"), [(0, 2000), (150, 2000), (3000, 100), (10**6, 50)])
def test_many_requests_have_fewer_frames_each(count: int, most: int) -> None:
    samples = read(render([(None, wide(3_000))], count=count)).samples
    assert 0.8 * most < len(samples) <= most


def test_nothing_and_no_time_are_profiles_too() -> None:
    assert read(render([])) == Profile([], PLAIN, 0, 0)
    assert read(render([(None, Node(ROOT))])).samples == []
    (sample,) = read(render([(None, build(load("zero.prof")))])).samples
    assert (sample.calls, sample.time) == (1, 0)
    (sample,) = read(render([(None, Node(ROOT, 0, 1.0, 1.0))])).samples
    assert sample.stack == (("all", "", 0),)


def test_memory_does_not_follow_the_number_of_requests() -> None:
    """Beyond the output itself, which is held while it grows and once more at the end."""
    tree = build(chain(3))

    def peak(count: int) -> int:
        tracemalloc.start()
        size = len(render((Request(id=f"{i:012x}", status=200), tree) for i in range(count)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most - 3 * size

    peak(10)  # imports and caches
    assert peak(2000) < peak(100) + 20_000

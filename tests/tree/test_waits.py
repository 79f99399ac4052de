"""Waits stand in the tree below what awaited, and add up."""

from __future__ import annotations

import pytest

from reqprof.model import Wait
from reqprof.tree.build import build
from reqprof.tree.node import ROOT, WAITING, Node
from reqprof.tree.waits import hang
from tests.tree.tables import chain, function

A, B, C, D = map(function, "abcd")


def tree() -> Node:
    """a calls b, which calls c, and c of its own."""
    root = Node(ROOT, 4, 0.0, 4.0)
    a = root.children[A] = Node(A, 1, 1.0, 4.0)
    b = a.children[B] = Node(B, 1, 1.0, 2.0)
    b.children[C] = Node(C, 1, 1.0, 1.0)
    a.children[C] = Node(C, 1, 1.0, 1.0)
    return root


def wait(*names: str, seconds: float = 0.5, count: int = 1, child: bool = False) -> Wait:
    stack = tuple((*function(name), 7) for name in names)
    places = tuple((file, first, name, line) for file, first, name, line in stack)
    return Wait(places, count, seconds, seconds, child)


def waiting(root: Node) -> dict[tuple[str, ...], tuple[float, float]]:
    """Calls and seconds by the names of the stack above."""
    found: dict[tuple[str, ...], tuple[float, float]] = {}
    path: list[str] = []
    for depth, node in root.walk():
        path[depth:] = [node.function[2]]
        if node.is_wait:
            found[tuple(path[1:-1])] = (node.calls, node.self_time)
    return found


def test_they_hang_below_what_awaited() -> None:
    root = tree()
    hang(root, [wait("a", "b", "c", count=3), wait("a", "c"), wait("a")])
    assert waiting(root) == {("a", "b", "c"): (3, 0.5), ("a", "c"): (1, 0.5), ("a",): (1, 0.5)}
    assert root.total == 5.5
    assert root.children[A].total == 5.5
    assert root.children[A].children[B].total == 2.5
    assert root.calls == 4


def test_those_of_one_frame_are_added() -> None:
    root = tree()
    hang(root, [wait("a", count=2), wait("a", seconds=0.25)])
    assert waiting(root) == {("a",): (3, 0.75)}


def test_frames_that_are_no_coroutines_are_passed() -> None:
    root = tree()
    hang(root, [wait("b", "c"), wait("c", seconds=0.25)])
    assert waiting(root) == {("a", "b", "c"): (1, 0.5), ("a", "c"): (1, 0.25)}


def test_what_the_tree_does_not_know_is_passed_over() -> None:
    root = tree()
    hang(root, [wait("a", "d", "b"), wait("d", seconds=0.25), wait(seconds=0.125)])
    assert waiting(root) == {("a", "b"): (1, 0.5), (): (2, 0.375)}
    assert root.total == 4.875


def test_those_of_child_tasks_stay_out() -> None:
    root = tree()
    hang(root, [wait("a", child=True)])
    assert waiting(root) == {}
    assert root.total == 4


@pytest.mark.parametrize("exact", [True, False])
def test_a_wait_is_as_exact_as_its_stack(exact: bool) -> None:
    root = tree()
    root.children[A].exact = exact
    hang(root, [wait("a")])
    frame = root.children[A].children[WAITING]
    assert (frame.exact, frame.guessed) == (exact, 0.0 if exact else 0.5)


def test_a_reconstructed_tree_takes_them_too() -> None:
    root = build(chain(5))
    whole = root.total
    hang(root, [wait("f0", "f3")])
    assert waiting(root) == {("f0", "f1", "f2", "f3"): (1, 0.5)}
    assert root.total == pytest.approx(whole + 0.5)

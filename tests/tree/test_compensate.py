"""What recording added is taken away, and never more than there was."""

from __future__ import annotations

from reqprof.tree.compensate import compensated, is_costed, untraced
from reqprof.tree.node import ROOT, Node
from tests.tree.tables import function

A, B = function("a"), function("b")


def tree() -> Node:
    root = Node(ROOT, 2, 0.0, 4.0)
    a = root.children[A] = Node(A, 1, 3.0, 4.0, exact=False, guessed=2.75, overhead=0.5)
    a.children[B] = Node(B, 1, 1.0, 1.0, overhead=1.5)
    return root


def test_totals_are_those_of_what_is_left() -> None:
    root = tree()
    a = root.children[A]
    assert untraced(root) == {root: 2.5, a: 2.5, a.children[B]: 0.0}


def test_the_copy_is_as_exact_as_it_was() -> None:
    assert compensated(tree()).rows() == [
        (0, ROOT, 2, 0.0, 2.5, True, 0.0, 0.0),
        (1, A, 1, 2.5, 2.5, False, 2.5, 0.0),
        (2, B, 1, 0.0, 0.0, True, 0.0, 0.0),
    ]


def test_it_is_known_whether_costs_are() -> None:
    assert is_costed(tree())
    assert not is_costed(compensated(tree()))

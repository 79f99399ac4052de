"""A tree survives being walked, copied, pickled and dropped, however deep."""

from __future__ import annotations

import copy
import pickle

import pytest

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT, Node, from_rows
from tests.tree.tables import chain, function, load


@pytest.mark.parametrize("length", [0, 5, 20_000])
def test_a_tree_survives_pickle_and_copy(length: int) -> None:
    tree = build(chain(length))
    rows = tree.rows()
    assert pickle.loads(pickle.dumps(tree)).rows() == rows
    assert copy.deepcopy(tree).rows() == rows
    assert from_rows(rows).rows() == rows
    assert len(repr(tree)) < 200
    assert tree == tree
    assert tree != copy.deepcopy(tree)


def test_walk_goes_parents_first_in_order() -> None:
    tree = build(load("xss.prof"))
    depths = [depth for depth, _ in tree.walk()]
    assert depths == [0, 1, 2]


def test_exact_share_is_that_of_self_time() -> None:
    f, g = function("f"), function("g")
    tree = Node(ROOT, 2, 0.0, 4.0)
    tree.children = {f: Node(f, 1, 3.0, 3.0), g: Node(g, 1, 1.0, 1.0, exact=False, guessed=1.0)}
    assert tree.exact_share() == 0.75


def test_exact_share_without_time() -> None:
    f = function("f")
    assert Node(ROOT).exact_share() == 1
    assert Node(ROOT, children={f: Node(f, exact=False)}).exact_share() == 0


def test_a_remainder_knows_itself() -> None:
    assert Node(REST).is_rest
    assert not Node(ROOT).is_rest

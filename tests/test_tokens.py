"""Tokens: good ones open, and nothing else does, whatever it is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof import tokens
from reqprof.tokens import check, make

pytestmark = pytest.mark.recording

SECRET = "correct horse battery staple"
NOW = 1_800_000_000.0
GOOD = make(SECRET, 600, now=NOW)
ORDERS = make(SECRET, 600, "/orders/*", now=NOW)


def test_a_token_is_what_the_module_says_it_is() -> None:
    head, _, mac = ORDERS.rpartition(".")
    version, expiry, route = head.split(".")
    digest = hmac.new(SECRET.encode(), b"reqprof token\n" + head.encode(), hashlib.sha256).digest()
    assert (version, expiry) == ("1", "1800000600")
    assert base64.urlsafe_b64decode(route + "==") == b"/orders/*"
    assert base64.urlsafe_b64decode(mac + "=") == digest
    assert re.fullmatch(r"[A-Za-z0-9._-]+", ORDERS)  # for a header and for a cookie
    assert GOOD.split(".")[2] == ""


@pytest.mark.parametrize(
    ("token", "path", "later", "opens"),
    [
        (GOOD, "/anything", 0, True),
        (GOOD, "", 599, True),
        (GOOD, "/\udcff", 0, True),
        (GOOD, "/anything", 600, False),
        (GOOD, "/anything", -1e6, True),  # a clock that is behind
        (ORDERS, "/orders/17", 0, True),
        (ORDERS, "/users/17", 0, False),
        (ORDERS, "/orders", 0, False),
        (ORDERS, "/orders/17", 601, False),
        (make(SECRET, 600, "/orders/{id}", now=NOW), "/orders/17", 0, True),
        (make(SECRET, 600, "/orders/{id}", now=NOW), "/orders/17/lines", 0, False),
        (make(SECRET.encode(), 600, now=NOW), "/", 0, True),
        (make(SECRET + "\r\n", 600, now=NOW), "/", 0, True),  # as read from a file
        (make(SECRET + "!", 600, now=NOW), "/", 0, False),
        (make(SECRET.upper(), 600, now=NOW), "/", 0, False),
        ("", "/", 0, False),
        ("1", "/", 0, False),
        ("1...", "/", 0, False),
        (GOOD[:-1], "/", 0, False),
        (GOOD[1:], "/", 0, False),
        (GOOD + "A", "/", 0, False),
        (GOOD + "\n", "/", 0, False),
        (" " + GOOD, "/", 0, False),
        (GOOD + "=", "/", 0, False),
        ("2" + GOOD[1:], "/", 0, False),
        (GOOD.replace("1800000600", "1900000600"), "/", 0, False),
        (GOOD.replace("1800000600", "01800000600"), "/", 0, False),
        (ORDERS.replace(ORDERS.split(".")[2], ""), "/orders/17", 0, False),
        (GOOD.replace("..", f".{ORDERS.split('.')[2]}."), "/orders/17", 0, False),
        (GOOD.rpartition(".")[0] + "." + ORDERS.rpartition(".")[2], "/", 0, False),
        ("é" + GOOD[1:], "/", 0, False),
        (GOOD[:-1] + "\N{FULLWIDTH LATIN CAPITAL LETTER A}", "/", 0, False),
        (GOOD.replace("1800000600", "\N{ARABIC-INDIC DIGIT ONE}800000600"), "/", 0, False),
        ("\0", "/", 0, False),
        ("\ud800", "/", 0, False),
        ("A" * (1 << 20), "/", 0, False),
        (GOOD * 10_000, "/", 0, False),
        ("1.1800000600." + "A" * (1 << 20) + "." + "A" * 43, "/", 0, False),
    ],
)
def test_what_opens(token: str, path: str, later: float, opens: bool) -> None:
    assert check(SECRET, token, path, NOW + later) is opens


def test_its_last_digit_has_one_spelling_alone() -> None:
    """43 digits of base64 hold two bits more than the digest."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert sum(check(SECRET, GOOD[:-1] + last, "/", NOW) for last in alphabet) == 1


@given(st.text(), st.text())
def test_any_text_at_all_may_be_asked_about(token: str, path: str) -> None:
    assert check(SECRET, token, path, NOW) is False


@given(st.integers(0, len(ORDERS) - 1), st.text(max_size=3))
def test_no_change_of_a_token_opens(at: int, other: str) -> None:
    changed = ORDERS[:at] + other + ORDERS[at + 1 :]
    assert check(SECRET, changed, "/orders/17", NOW) is (changed == ORDERS)


@given(st.text(max_size=40), st.floats(1, 1e6))
def test_a_token_opens_the_path_that_it_names(path: str, seconds: float) -> None:
    route = "/" + re.sub(r"[*?\[{<\ue000\ue001\ud800-\udfff]", "", path)
    token = make(SECRET, seconds, route, NOW)
    assert len(token) <= tokens.MAX_TOKEN
    assert check(SECRET, token, route, NOW)
    assert not check(SECRET, token, route + "x", NOW)
    assert not check(SECRET, token, route, NOW + seconds + 1)


def test_the_longest_route_makes_a_token_that_is_read() -> None:
    route = "/" + "x" * (tokens.MAX_ROUTE - 1)
    assert check(SECRET, make(SECRET, 60, route, NOW), route, NOW)
    with pytest.raises(ValueError, match="at most 256 bytes; this one has 257"):
        make(SECRET, 60, route + "x", NOW)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 367 * 86400])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got {seconds!r}")):
        make(SECRET, seconds)


def test_a_route_that_matches_no_path_is_refused() -> None:
    with pytest.raises(ValueError, match="'orders' matches no path"):
        make(SECRET, 60, "orders")


@pytest.mark.parametrize(
    "bad", ["", "x" * 15, b"x" * 15, "fifteen bytes!!\n", "short-ü", None, 7, ["s"]]
)
def test_a_bad_secret_is_refused_and_not_shown(bad: Any) -> None:
    for call in (lambda: make(bad, 60), lambda: check(bad, GOOD, "/")):
        with pytest.raises((TypeError, ValueError), match="secret") as caught:
            call()
        assert not bad or str(bad) not in str(caught.value)

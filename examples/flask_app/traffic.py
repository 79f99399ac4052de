"""Visitors of the bookshop: a repeatable mix of requests, most of them cheap."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    # Run as a script: only this folder is on the path, and load.py is in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import Maker, Request, main, mix

if TYPE_CHECKING:
    import random

BOOKS = 237
WORDS = ("harbour", "lighthouse", "spring market", "diary", "hotel", "war", "submarine")
PRAISE = ("Could not put it down.", "A fine gift.", "Too long by half.")


def requests(seed: int, count: int) -> list[Request]:
    """Return `count` requests, the same ones for the same seed, at least one of each if it can."""
    return mix(MIX, seed, count)


def _index(rng: random.Random) -> Request:
    return Request("GET", "/")


def _book_page(rng: random.Random) -> Request:
    return Request("GET", f"/books/{rng.randint(1, BOOKS)}")


def _api_book(rng: random.Random) -> Request:
    return Request("GET", f"/api/books/{rng.randint(1, BOOKS)}")


def _authors(rng: random.Random) -> Request:
    return Request("GET", "/authors")


def _search(rng: random.Random) -> Request:
    return Request("GET", f"/search?q={rng.choice(WORDS).replace(' ', '+')}")


def _export(rng: random.Random) -> Request:
    return Request("GET", "/export.csv")


def _add_review(rng: random.Random) -> Request:
    review = {"stars": rng.randint(1, 5), "text": rng.choice(PRAISE)}
    return Request("POST", f"/api/books/{rng.randint(1, BOOKS)}/reviews", 201, json.dumps(review))


def _bad_review(rng: random.Random) -> Request:
    return Request("POST", "/api/books/1/reviews", 400, json.dumps({"stars": 11, "text": "!"}))


def _report(rng: random.Random) -> Request:
    return Request("GET", "/admin/report", 500)


def _missing_book(rng: random.Random) -> Request:
    return Request("GET", f"/api/books/{rng.randint(BOOKS + 1, 9999)}", 404)


def _missing_page(rng: random.Random) -> Request:
    return Request("GET", "/favicon.ico", 404)


# How many of each there are in a hundred.
MIX: dict[Maker, int] = {
    _index: 20,
    _book_page: 16,
    _api_book: 21,
    _authors: 8,
    _search: 13,
    _export: 5,
    _add_review: 6,
    _bad_review: 2,
    _report: 3,
    _missing_book: 3,
    _missing_page: 3,
}


if __name__ == "__main__":
    sys.exit(main(requests))

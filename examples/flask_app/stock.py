"""What the shop starts with, the same in every process and on every run."""

from __future__ import annotations

import random
from typing import Any

Row = dict[str, Any]

AUTHORS = 80
BOOKS = 237
REVIEWS = 750

# This author has no books yet, and so no reviews: the report stumbles over that.
NEWCOMER = AUTHORS
THIS_YEAR = 2026

FIRST_NAMES = "Ada Bruno Carla Dmitri Elif Farid Greta Hugo Ines Kaya Luis Mina Noor Olga Pia"
LAST_NAMES = "Abel Brandt Costa Dahl Ekman Fontaine Grieg Haddad Ito Jensen Keller Lund Moreau"
COUNTRIES = "Chile Denmark Egypt France Ghana India Japan Kenya Norway Peru Poland Turkey"
ADJECTIVES = "Quiet Broken Distant Salt Paper Second Winter Hidden Borrowed Glass Narrow Last"
NOUNS = "Harbour Orchard Letter Bridge Archive Island Clockmaker Garden Railway Lantern Map River"
OPENINGS = (
    "A retired surveyor returns after thirty years to the valley where she was born",
    "Two brothers inherit a lighthouse that nobody but the gulls has tended for years",
    "An interpreter at a dull trade fair finds her own name in a stranger's diary",
    "The night train to the coast stops in deep snow where there is no station",
    "A young cook takes over the kitchen of a once grand hotel at the end of the season",
    "When the dam is finished the whole village has to move uphill with its church",
)
TURNS = (
    "and slowly learns what her father kept from the rest of the family",
    "only to discover that the debts are older than the house itself",
    "while a winter without snow turns the neighbours against each other",
    "and has until the spring market to put everything right again",
    "but the only witness has not spoken to anybody since the war",
)
VERDICTS = (
    "I read it in one sitting and then once more.",
    "Slow at first, but the last chapters make up for it.",
    "Beautifully printed; the story itself left me cold.",
    "My grandmother and I both loved it.",
    "Not the author's best, though still worth the price.",
)


def authors() -> list[Row]:
    """The rows of the authors."""
    rng = random.Random(1)
    names = [f"{first} {last}" for first in FIRST_NAMES.split() for last in LAST_NAMES.split()]
    countries = COUNTRIES.split()
    rows: list[Row] = [
        {"id": number, "name": name, "country": rng.choice(countries), "since": 1990 + number % 35}
        for number, name in enumerate(rng.sample(names, AUTHORS), 1)
    ]
    for row in rows[NEWCOMER - 3 : NEWCOMER]:
        row["since"] = THIS_YEAR
    return rows


def books() -> list[Row]:
    """The rows of the books: an equal number by each author but the newcomer."""
    rng = random.Random(2)
    return [_book(number, rng) for number in range(1, BOOKS + 1)]


def _book(number: int, rng: random.Random) -> Row:
    return {
        "id": number,
        "author_id": number % (AUTHORS - 1) + 1,
        "title": f"The {rng.choice(ADJECTIVES.split())} {rng.choice(NOUNS.split())}",
        "year": rng.randint(1950, THIS_YEAR),
        "price": rng.randrange(690, 3490, 50),
        "blurb": f"{rng.choice(OPENINGS)} {rng.choice(TURNS)}.",
    }


def reviews() -> list[Row]:
    """The rows of the reviews, about three for each book."""
    rng = random.Random(3)
    return [
        {
            "id": number,
            "book_id": number % BOOKS + 1,
            "stars": rng.randint(1, 5),
            "text": rng.choice(VERDICTS),
        }
        for number in range(1, REVIEWS + 1)
    ]

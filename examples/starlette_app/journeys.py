"""Journeys from one stop to another, asked of three operators at the same time."""

from __future__ import annotations

import asyncio
import json
import random
from typing import NamedTuple

JOURNEYS_OF_A_REPLY = 150


class Operator(NamedTuple):
    """Another company's planner: how long its answer takes, in seconds, and what it answers."""

    name: str
    delay: float
    reply: str


class Journey(NamedTuple):
    """One way to get there; times are in minutes after midnight."""

    arrival: int
    start: int
    changes: int
    operator: str


def all_operators() -> list[Operator]:
    """Return the operators. They are not real: each sleeps, then answers the same every time."""
    delays = {"tram": 0.012, "bus": 0.02, "ferry": 0.03}
    return [Operator(name, delay, _reply(name)) for name, delay in delays.items()]


def _reply(name: str) -> str:
    rng = random.Random(name)
    journeys = []
    for _ in range(JOURNEYS_OF_A_REPLY):
        start = rng.randint(300, 1380)
        legs = [{"line": f"{name} {rng.randint(1, 9)}", "minutes": 6} for _ in range(4)]
        journeys.append({"start": start, "arrival": start + rng.randint(25, 60), "legs": legs})
    return json.dumps({"operator": name, "journeys": journeys})


async def best_journeys(operators: list[Operator], minute: int) -> list[Journey]:
    """Ask every operator at once and return the five journeys that arrive first."""
    replies = await asyncio.gather(*(journeys_of(operator) for operator in operators))
    journeys = [journey for reply in replies for journey in reply if journey.start >= minute]
    return sorted(journeys)[:5]


async def journeys_of(operator: Operator) -> list[Journey]:
    """Ask one operator."""
    return parse_reply(await ask_operator(operator))


async def ask_operator(operator: Operator) -> str:
    """Return an operator's reply, as it came over the wire."""
    await asyncio.sleep(operator.delay)
    return operator.reply


def parse_reply(reply: str) -> list[Journey]:
    """Return the journeys of a reply."""
    message = json.loads(reply)
    return [
        Journey(item["arrival"], item["start"], len(item["legs"]) - 1, message["operator"])
        for item in message["journeys"]
    ]

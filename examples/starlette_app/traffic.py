"""Passengers of the tram times: a repeatable mix of requests, most of them cheap."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

if not __package__:
    # Run as a script: only this folder is on the path, and load.py is in the one above.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import Maker, Request, main, mix, send_http

if TYPE_CHECKING:
    import random

STOPS = 160
LINES = 40
COMMENTS = (
    "The stop is clean and the driver was freindly, thank you.",
    "My tram was laate again and so crowded that I had to let it go.",
    "There should be a bench under the big tree.",
)


def requests(seed: int, count: int) -> list[Request]:
    """Return `count` requests, the same ones for the same seed, at least one of each if it can.

    A websocket has the method WEBSOCKET, the status 101 and its messages, one a line, as body.
    """
    return mix(MIX, seed, count)


def send(base: str, request: Request) -> int:
    """Send one request, over HTTP or over a websocket, and return the status."""
    if request.method == "WEBSOCKET":
        return _talk(base, request)
    return send_http(base, request)


def _talk(base: str, request: Request) -> int:
    try:
        with connect(base.replace("http", "ws", 1) + request.path, proxy=None) as websocket:
            for message in (request.body or "").splitlines():
                websocket.send(message)
                json.loads(websocket.recv(timeout=60))
    except InvalidStatus as error:
        return error.response.status_code
    except (WebSocketException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return 101


def _time(rng: random.Random) -> str:
    return f"{rng.randint(6, 20):02d}:{rng.randint(0, 59):02d}"


def _stop(rng: random.Random) -> int:
    return rng.randint(1, STOPS)


def _board(rng: random.Random) -> Request:
    return Request("GET", f"/?at={_time(rng)}")


def _stop_page(rng: random.Random) -> Request:
    return Request("GET", f"/stops/{_stop(rng)}?at={_time(rng)}")


def _api_stop(rng: random.Random) -> Request:
    return Request("GET", f"/api/stops/{_stop(rng)}?at={_time(rng)}")


def _api_lines(rng: random.Random) -> Request:
    return Request("GET", f"/api/lines?at={_time(rng)}")


def _api_closures(rng: random.Random) -> Request:
    return Request("GET", "/api/closures")


def _api_journeys(rng: random.Random) -> Request:
    return Request("GET", f"/api/journeys/{_stop(rng)}/{_stop(rng)}?at={_time(rng)}")


def _api_nearby(rng: random.Random) -> Request:
    return Request("GET", f"/api/nearby?x={rng.uniform(-5, 5):.2f}&y={rng.uniform(-3, 3):.2f}")


def _line_csv(rng: random.Random) -> Request:
    return Request("GET", f"/lines/{rng.randint(1, LINES)}.csv")


def _live(rng: random.Random) -> Request:
    return Request("GET", f"/api/stops/{_stop(rng)}/live?at={_time(rng)}")


def _feedback(rng: random.Random) -> Request:
    comment = json.dumps({"text": rng.choice(COMMENTS)})
    return Request("POST", f"/api/stops/{_stop(rng)}/feedback", 202, comment)


def _bad_feedback(rng: random.Random) -> Request:
    return Request("POST", f"/api/stops/{_stop(rng)}/feedback", 400, json.dumps({"stars": 3}))


def _websocket(rng: random.Random) -> Request:
    times = "\n".join(_time(rng) for _ in range(4))
    return Request("WEBSOCKET", f"/ws/stops/{_stop(rng)}", 101, times)


def _bad_websocket(rng: random.Random) -> Request:
    return Request("WEBSOCKET", f"/ws/stops/{rng.randint(STOPS + 1, 999)}", 403)


def _occupancy(rng: random.Random) -> Request:
    return Request("GET", "/admin/occupancy", 500)


def _missing_stop(rng: random.Random) -> Request:
    return Request("GET", f"/api/stops/{rng.randint(STOPS + 1, 999)}", 404)


def _missing_page(rng: random.Random) -> Request:
    return Request("GET", "/favicon.ico", 404)


# How many of each there are in a hundred.
MIX: dict[Maker, int] = {
    _board: 13,
    _stop_page: 11,
    _api_stop: 14,
    _api_lines: 9,
    _api_closures: 9,
    _api_journeys: 10,
    _api_nearby: 7,
    _line_csv: 4,
    _live: 4,
    _feedback: 4,
    _bad_feedback: 2,
    _websocket: 4,
    _bad_websocket: 2,
    _occupancy: 3,
    _missing_stop: 2,
    _missing_page: 2,
}


if __name__ == "__main__":
    sys.exit(main(requests, send))

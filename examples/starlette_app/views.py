"""The pages, the API and the websocket of the tram times."""

from __future__ import annotations

import asyncio
import json
import math
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.templating import Jinja2Templates

from . import network
from .feedback import file_feedback, tell_operator
from .journeys import all_operators, best_journeys
from .notices import all_closures, all_notices

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator

    from starlette.requests import HTTPConnection, Request
    from starlette.websockets import WebSocket

BUSY_STOPS = (3, 14, 15, 92, 65, 35)
TICKS = 4
TICK = 0.01

templates = Jinja2Templates(directory=Path(__file__).with_name("templates"))


def create_app() -> Starlette:
    """Make the service, unprofiled, with a database of its own."""
    routes = [
        Route("/", board),
        Route("/stops/{stop_id:int}", stop_page),
        Route("/lines/{line_id:int}.csv", line_csv),
        Route("/api/stops/{stop_id:int}", api_stop),
        Route("/api/stops/{stop_id:int}/live", live),
        Route("/api/stops/{stop_id:int}/feedback", give_feedback, methods=["POST"]),
        Route("/api/lines", api_lines),
        Route("/api/closures", api_closures),
        Route("/api/journeys/{origin:int}/{destination:int}", api_journeys),
        Route("/api/nearby", api_nearby),
        Route("/admin/occupancy", occupancy),
        WebSocketRoute("/ws/stops/{stop_id:int}", ask_stop),
    ]
    app = Starlette(routes=routes)
    app.state.db = network.open_network()
    app.state.notices = all_notices()
    app.state.operators = all_operators()
    weakref.finalize(app, app.state.db.close)
    for name in templates.env.list_templates():
        templates.get_template(name)  # compiled now, so that no visitor waits for it
    return app


async def board(request: Request) -> Response:
    """The next trams at the busiest stops."""
    stops = [_stop(request, stop_id) for stop_id in BUSY_STOPS]
    boards = [(stop, _departures(request, stop.id)) for stop in stops]
    return templates.TemplateResponse(request, "board.html", {"boards": boards})


async def stop_page(request: Request) -> Response:
    """The next trams at one stop."""
    stop = _stop(request, request.path_params["stop_id"])
    context = {"stop": stop, "departures": _departures(request, stop.id)}
    return templates.TemplateResponse(request, "stop.html", context)


async def api_stop(request: Request) -> Response:
    """One stop with its next trams."""
    stop = _stop(request, request.path_params["stop_id"])
    departures = [departure._asdict() for departure in _departures(request, stop.id)]
    return JSONResponse({**stop._asdict(), "departures": departures})


async def api_lines(request: Request) -> Response:
    """Every line with its stops and the next tram at each of them."""
    return JSONResponse(network.lines_stop_by_stop(_db(request), _minute(request)))


async def api_closures(request: Request) -> Response:
    """The stops that are closed today. Searched for on the event loop: everybody waits."""
    closures = all_closures(request.app.state.notices)
    return JSONResponse([closure._asdict() for closure in closures])


async def api_journeys(request: Request) -> Response:
    """The best journeys between two stops, by any operator."""
    origin = _stop(request, request.path_params["origin"])
    destination = _stop(request, request.path_params["destination"])
    journeys = await best_journeys(request.app.state.operators, _minute(request))
    return JSONResponse(
        {
            "origin": origin.name,
            "destination": destination.name,
            "journeys": [journey._asdict() for journey in journeys],
        }
    )


def api_nearby(request: Request) -> Response:
    """The stops nearest to a place. Not a coroutine, so it runs in the thread pool."""
    try:
        here = float(request.query_params["x"]), float(request.query_params["y"])
    except (KeyError, ValueError) as error:
        raise HTTPException(400, "x and y are kilometres, such as 1.5") from error
    near = sorted((math.dist(here, stop[2:]), stop) for stop in network.all_stops(_db(request)))
    return JSONResponse([{"km": round(km, 2), "stop": stop.name} for km, stop in near[:5]])


async def line_csv(request: Request) -> Response:
    """The timetable of a line, sent stop by stop while it is read from the database."""
    line = network.line_by_id(_db(request), request.path_params["line_id"])
    if line is None:
        raise HTTPException(404)
    return StreamingResponse(timetable_rows(_db(request), line), media_type="text/csv")


async def timetable_rows(db: sqlite3.Connection, line: network.Line) -> AsyncIterator[str]:
    """Yield the timetable of a line as CSV."""
    yield "line,stop,time\r\n"
    for stop_id, stop in network.stops_of_line(db, line.id):
        minutes = network.minutes_at_stop(db, line.id, stop_id)
        yield "".join(f"{line.name},{stop},{clock(minute)}\r\n" for minute in minutes)
        await asyncio.sleep(0)  # lets the other requests have their turn


async def live(request: Request) -> Response:
    """A short event stream of the next trams at a stop."""
    stop = _stop(request, request.path_params["stop_id"])
    ticks = stop_ticks(_db(request), stop, _minute(request))
    return StreamingResponse(ticks, media_type="text/event-stream")


async def stop_ticks(db: sqlite3.Connection, stop: network.Stop, minute: int) -> AsyncIterator[str]:
    """Yield an event for each minute that passes; a minute is short here."""
    for now in range(minute, minute + TICKS):
        departures = network.next_departures(db, stop.id, now, limit=3)
        yield f"data: {json.dumps([departure._asdict() for departure in departures])}\n\n"
        await asyncio.sleep(TICK)


async def give_feedback(request: Request) -> Response:
    """Take what a passenger says of a stop: `{"text": "..."}`. Read after the answer is sent."""
    stop = _stop(request, request.path_params["stop_id"])
    match await _json(request):
        case {"text": str(text)}:
            filing = BackgroundTask(file_feedback, _db(request), stop.id, text)
            telling = BackgroundTask(tell_operator, stop.id)
        case _:
            raise HTTPException(400, "feedback has a text")
    return JSONResponse({"stop": stop.name}, 202, background=BackgroundTasks([filing, telling]))


async def occupancy(request: Request) -> Response:
    """How full the lines are. Fails: the night line counts nobody."""
    counted = {line.name: 40 + line.id for line in network.all_lines(_db(request))[:-1]}
    return JSONResponse(occupancy_by_line(network.all_lines(_db(request)), counted))


def occupancy_by_line(lines: list[network.Line], counted: dict[str, int]) -> dict[str, float]:
    """Return the share of seats taken on each line."""
    return {line.name: counted[line.name] / 120 for line in lines}


async def ask_stop(websocket: WebSocket) -> None:
    """Answer each time of day that comes in with the next trams at the stop."""
    db, stop_id = _db(websocket), websocket.path_params["stop_id"]
    if network.stop_by_id(db, stop_id) is None:
        await websocket.close(4404)
        return
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json(answer(db, stop_id, text))


def answer(db: sqlite3.Connection, stop_id: int, text: str) -> dict[str, object]:
    """Return the answer to one message of the websocket."""
    try:
        departures = network.next_departures(db, stop_id, minute_of(text), limit=3)
    except ValueError:
        return {"error": "send a time such as 08:30"}
    return {"at": text, "departures": [departure._asdict() for departure in departures]}


def minute_of(text: str) -> int:
    """Return the minute of the day of a time such as 08:30, or raise ValueError."""
    hours, _, minutes = text.partition(":")
    return 60 * int(hours) + int(minutes)


def clock(minute: int) -> str:
    """Format a minute of the day."""
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


templates.env.filters["clock"] = clock


def _db(connection: HTTPConnection) -> sqlite3.Connection:
    db: sqlite3.Connection = connection.app.state.db
    return db


def _stop(request: Request, stop_id: int) -> network.Stop:
    stop = network.stop_by_id(_db(request), stop_id)
    if stop is None:
        raise HTTPException(404)
    return stop


def _minute(request: Request) -> int:
    try:
        return minute_of(request.query_params.get("at", "08:00"))
    except ValueError as error:
        raise HTTPException(400, "at is a time such as 08:30") from error


def _departures(request: Request, stop_id: int) -> list[network.Departure]:
    return network.next_departures(_db(request), stop_id, _minute(request))


async def _json(request: Request) -> object:
    try:
        message: object = await request.json()
    except ValueError as error:
        raise HTTPException(400, "the body is no JSON") from error
    return message

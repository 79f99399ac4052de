"""Real clients, many at once."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from tests.servers import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.conftest import Profiles

CLIENTS = 16

Address = tuple[str, int]
Response = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body."""


def get(connection: http.client.HTTPConnection, path: str) -> Response:
    connection.request("GET", path)
    response = connection.getresponse()
    headers = sorted((name, value) for name, value in response.getheaders() if name != "Date")
    return response.status, [h for h in headers if h[0].lower() != "date"], response.read()


def traffic(address: Address, requests: int, paths: Sequence[str]) -> list[tuple[str, Response]]:
    """The responses to ``requests``, to ``paths`` in turn, sent by all clients together."""
    answered: list[tuple[str, Response]] = []

    def client(numbers: Iterator[int]) -> None:
        connection = http.client.HTTPConnection(*address, timeout=60)
        for number in numbers:
            path = paths[number % len(paths)]
            answered.append((path, get(connection, path)))
        connection.close()

    together(client, requests)
    return answered


def talks(address: Address, sessions: int, path: str, said: Sequence[str]) -> list[list[str]]:
    """The answers that each of ``sessions`` websockets got to what was ``said``."""
    from websockets.sync.client import connect

    heard: list[list[str]] = []

    def client(numbers: Iterator[int]) -> None:
        for _ in numbers:
            with connect(f"ws://{address[0]}:{address[1]}{path}", proxy=None) as session:
                answers = []
                for words in said:
                    session.send(words)
                    answers.append(str(session.recv(timeout=60)))
                heard.append(answers)

    together(client, sessions)
    return heard


def pipelined(address: Address, paths: Sequence[str]) -> bytes:
    """All responses to requests that were sent in one go, without waiting for any."""
    requests = [f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n" for path in paths[:-1]]
    requests.append(f"GET {paths[-1]} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    received = b""
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall("".join(requests).encode())
        while data := connection.recv(65536):
            received += data
    return received


def together(client: Callable[[Iterator[int]], None], number: int) -> None:
    """Run all clients at once, who share ``number`` turns; raises what the first of them raised."""
    turns = iter(range(number))
    lock = threading.Lock()

    def mine() -> Iterator[int]:
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            yield turn

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client, mine()) for _ in range(CLIENTS)]
        ended = wait(running, return_when=FIRST_EXCEPTION).done
        turns = iter(())
        for one in ended:
            one.result()


def unwrapped(server: str, app: str, paths: Sequence[str]) -> dict[str, Response]:
    """What the app answers to each path without reqprof."""
    with served(server, app) as address:
        connection = http.client.HTTPConnection(*address, timeout=60)
        expected = {path: get(connection, path) for path in paths}
        connection.close()
    return expected


def written(profiles: Profiles, number: int) -> None:
    """Wait until so many profiles are there, for servers that may be killed with some unwritten."""
    deadline = time.monotonic() + 30
    while len(profiles.paths()) < number and time.monotonic() < deadline:
        time.sleep(0.05)

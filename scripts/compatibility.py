"""Real requests to servers and frameworks that the suite has not; see docs/compatibility.md."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reqprof.store import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Profile

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "compatibility.md"
TABLE = "| server | framework | request | route |"
PYTHON = "{}.{}".format(*sys.version_info)
TIMES, CLIENTS = range(1, 33), 8
STARTS_WITHIN = 60.0  # seconds
WRITES_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Stack:
    """One row: a server, a framework, and the route that a request to ``path`` must get."""

    server: str
    framework: str
    packages: tuple[str, ...]  # the one that the row is about comes first
    command: tuple[str, ...]
    path: str
    route: str
    end: signal.Signals = signal.SIGTERM

    @property
    def title(self) -> tuple[str, str, str, str]:
        return self.server, self.framework, f"`{self.path.format(7)}`", f"`{self.route}`"


GUNICORN = ("gunicorn", "--bind", "fd://{fd}", "--log-level", "error")
UVICORN = ("uvicorn", "--fd", "{fd}", "--log-level", "error")
GRANIAN = ("granian", "--host", "127.0.0.1", "--port", "{port}", "--no-ws")
UWSGI = (
    *("{bin}/uwsgi", "--http-socket", "fd://{fd}", "--home", "{prefix}", "--master"),
    *("--enable-threads", "--threads", "4", "--need-app", "--die-on-term", "--disable-logging"),
)
APPS = "compatibility_apps"

STACKS = [
    Stack(
        *("uWSGI", "Flask", ("uwsgi", "flask")),
        (*UWSGI, "--module", f"{APPS}.on_flask:app"),
        *("/books/{}", "/books/<int:book>"),
    ),
    Stack(
        *("granian", "Flask", ("granian", "flask")),
        (*GRANIAN, "--interface", "wsgi", f"{APPS}.on_flask:app"),
        *("/books/{}", "/books/<int:book>"),
    ),
    Stack(
        *("granian", "Starlette", ("granian", "starlette")),
        (*GRANIAN, "--interface", "asgi", f"{APPS}.on_starlette:app"),
        *("/books/{}", "/books/{book}"),
    ),
    Stack(
        *("granian", "Starlette, sync view", ("granian", "starlette")),
        (*GRANIAN, "--interface", "asgi", f"{APPS}.on_starlette:app"),
        *("/sync/{}", "/sync/{book}"),
    ),
    Stack(
        *("Daphne", "Django", ("daphne", "django")),
        ("daphne", "--fd", "{fd}", "--verbosity", "0", f"{APPS}.on_django:asgi"),
        *("/books/{}/", "/books/<int:book>/"),
    ),
    Stack(
        *("Daphne", "Django, async view", ("daphne", "django")),
        ("daphne", "--fd", "{fd}", "--verbosity", "0", f"{APPS}.on_django:asgi"),
        *("/async/{}/", "/async/<int:book>/"),
    ),
    Stack(
        *("Django's runserver", "Django", ("django",)),
        (f"{APPS}.on_django", "runserver", "127.0.0.1:{port}"),
        *("/books/{}/", "/books/<int:book>/"),
        signal.SIGINT,
    ),
    Stack(
        *("hypercorn", "Quart", ("quart", "hypercorn")),
        ("hypercorn", "--bind", "fd://{fd}", f"{APPS}.on_quart:app"),
        *("/books/{}", "/books/<int:book>"),
    ),
    Stack(
        *("hypercorn", "Quart, sync view", ("quart", "hypercorn")),
        ("hypercorn", "--bind", "fd://{fd}", f"{APPS}.on_quart:app"),
        *("/sync/{}", "/sync/<int:book>"),
    ),
    Stack(
        *("uvicorn", "Litestar", ("litestar", "uvicorn")),
        (*UVICORN, f"{APPS}.on_litestar:app"),
        *("/books/{}", "/books/{book}"),
    ),
    Stack(
        *("uvicorn", "Litestar, sync view", ("litestar", "uvicorn")),
        (*UVICORN, f"{APPS}.on_litestar:app"),
        *("/sync/{}", "/sync/{book}"),
    ),
    Stack(
        *("gunicorn", "Falcon", ("falcon", "gunicorn")),
        (*GUNICORN, f"{APPS}.on_falcon:wsgi"),
        *("/books/{}", "/books/{book:int}"),
    ),
    Stack(
        *("uvicorn", "Falcon, ASGI", ("falcon", "uvicorn")),
        (*UVICORN, f"{APPS}.on_falcon:asgi"),
        *("/books/{}", "/books/{book:int}"),
    ),
    Stack(
        *("gunicorn", "Bottle", ("bottle", "gunicorn")),
        (*GUNICORN, f"{APPS}.on_bottle:app"),
        *("/books/{}", "/books/<book:int>"),
    ),
    Stack(
        *("gunicorn", "Pyramid", ("pyramid", "gunicorn")),
        (*GUNICORN, f"{APPS}.on_pyramid:app"),
        *("/books/{}", "/books/{book}"),
    ),
]


class NotRightError(Exception):
    """What came out other than it should."""


def main(*arguments: str) -> int:
    """Run the rows that are asked for; 1 where one is not right."""
    names = [name.lower() for name in arguments if not name.startswith("-")]
    chosen = [s for s in STACKS if not names or any(n in " ".join(s.title).lower() for n in names)]
    results = {stack: outcome(stack) for stack in chosen}
    if "--write" in arguments:
        PAGE.write_text(with_results(PAGE.read_text(), results))
    return 0 if all(result.startswith("right") for result in results.values()) else 1


def outcome(stack: Stack) -> str:
    """A cell of the table: ``right`` or what is not, and the version that was run."""
    version = ""
    try:
        install(stack.packages)
        version = f", {importlib.metadata.version(stack.packages[0])}"
        check(stack, answers_and_profiles(stack))
        result = f"right{version}"
    except NotRightError as reason:
        result = f"{reason}{version}"
    print("|", " | ".join((*stack.title, result)), "|", flush=True)
    return result


def install(packages: tuple[str, ...]) -> None:
    """Into the environment that this runs in. Raises NotRightError where one cannot be had."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        wrong = [line for line in done.stderr.splitlines() if line.lower().startswith("error")]
        raise NotRightError(f"not installed: {wrong[-1][:80] if wrong else done.stderr[-80:]}")


def answers_and_profiles(stack: Stack) -> list[Profile]:
    """The profiles of one request for each of TIMES, whose answers are compared here."""
    with tempfile.TemporaryDirectory(prefix="reqprof-compatibility-") as folder:
        profiles = Path(folder) / "profiles"
        with served(stack, Path(folder)) as address, ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(partial(ask, stack, address), TIMES))
            for times, answer in zip(TIMES, answers, strict=True):
                if answer != str(times):
                    raise NotRightError(f"answered {answer[:40]!r} instead of {times}")
            wait_for(profiles)
        return [reader.read(path) for path in profiles.glob("*.prof")]


def ask(stack: Stack, address: str, times: int) -> str:
    """What the server answers to one request."""
    try:
        with urllib.request.urlopen(address + stack.path.format(times), timeout=30) as response:
            return str(response.read().decode())
    except OSError as error:
        return repr(error)


def wait_for(profiles: Path) -> None:
    """Until all are there: some servers end without leaving time to write the last."""
    deadline, number = time.monotonic() + WRITES_WITHIN, len(TIMES) + 1  # the first was for /ready
    while len(list(profiles.glob("*.prof"))) < number and time.monotonic() < deadline:
        time.sleep(0.1)


def check(stack: Stack, found: list[Profile]) -> None:
    """One whole profile for each request, under the right route, or NotRightError."""
    known = {profile.request.path: profile for profile in found if profile.request}
    for times in TIMES:
        profile = known.get(stack.path.format(times))
        if profile is None or profile.request is None:
            raise NotRightError(f"no profile of {stack.path.format(times)}")
        counted = sum(row[1] for function, row in profile.stats.items() if function[2] == "leaf")
        if counted != times:
            raise NotRightError(f"{counted} calls of the view's function instead of {times}")
        if profile.request.guessed:
            raise NotRightError(f"right calls, route guessed: `{profile.request.route}`")
        if profile.request.route != stack.route:
            raise NotRightError(f"right calls, but the route is `{profile.request.route}`")


@contextmanager
def served(stack: Stack, folder: Path) -> Iterator[str]:
    """The address of the server while it runs; the folder gets its profiles and what it prints."""
    takes_socket = "{fd}" in " ".join(stack.command)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        values = {
            "fd": listener.fileno(),
            "port": port,
            "bin": Path(sys.executable).parent,
            "prefix": sys.prefix,
        }
        descriptors = [listener.fileno()] if takes_socket else []
        if not takes_socket:
            listener.close()  # a number that is free, for a moment at least
        command = [part.format(**values) for part in stack.command]
        is_program = Path(command[0]).is_absolute()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command if is_program else [sys.executable, "-m", *command],
                cwd=HERE,
                env={
                    **os.environ,
                    "COMPATIBILITY_PROFILES": str(folder / "profiles"),
                    "PYTHONPATH": str(HERE),
                    "PYTHONWARNINGS": "ignore",
                },
                pass_fds=descriptors,
                stdout=log,
                stderr=log,
                process_group=0,
            )
    try:
        address = f"http://127.0.0.1:{port}"
        if not ready(address, process):
            lines = (folder / "log").read_text(errors="replace").split("\n")
            raise NotRightError(f"did not start: {' '.join(lines[-3:]).strip()[-200:]}")
        yield address
    finally:
        end(process, stack.end)


def ready(address: str, process: subprocess.Popen[bytes]) -> bool:
    """True as soon as the server answers anything at all."""
    deadline = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=10):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
    return False


def end(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    """End a server with all its processes, gently where it can be."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, by)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def with_results(page: str, results: dict[Stack, str]) -> str:
    """The page with this Python's column of its table replaced."""
    before, table = page.split(TABLE, 1)
    lines, after = (TABLE + table).split("\n\n", 1)
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines.split("\n")]
    pythons = rows[0][4:]
    cells = {tuple(row[:4]): dict(zip(pythons, row[4:], strict=True)) for row in rows[2:]}
    for stack, result in results.items():
        cells.setdefault(stack.title, {})[PYTHON] = result
    pythons = sorted({*pythons, PYTHON})
    shown = [
        [*stack.title, *(cells.get(stack.title, {}).get(python, "") or "-" for python in pythons)]
        for stack in STACKS
    ]
    head = [*rows[0][:4], *pythons]
    text = "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *shown))
    return f"{before}{text}\n\n{after}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

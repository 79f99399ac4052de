"""Serve both examples, profiled, send them traffic, and show what reqprof makes of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
OUT = ROOT / "demo"
EXAMPLE_NAMES = ("flask_app", "starlette_app")
REQUESTS, CLIENTS = 240, 8
STARTS_WITHIN = 30.0  # seconds


@contextmanager
def served(example: str, variable: str, profiles: Path, command: list[str]) -> Iterator[str]:
    """The example's address, while ``command`` serves it on a socket whose number it is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        number = str(listener.fileno())
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.replace("{fd}", number) for part in command)],
            cwd=EXAMPLES,
            env={**os.environ, variable: str(profiles)},
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=(OUT / f"{example}.log").open("wb"),
        )
    try:
        wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers; raise where it ended or takes too long."""
    deadline = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address + "/", timeout=STARTS_WITHIN):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise SystemExit(f"the example did not start; its log is in {OUT}")


def run(*command: str | Path) -> None:
    """Show a command as one would type it, and what it prints."""
    words = [str(word) for word in command]
    shown = [word.removeprefix(f"{ROOT}/") for word in words]
    print("\n$", *shown, flush=True)
    program = [sys.executable, "-m", *words] if words[0] == "reqprof" else [sys.executable, *words]
    subprocess.run(program, check=True, cwd=ROOT)


def show(example: str, variable: str, command: list[str]) -> None:
    """Traffic for one example, and what reqprof says of it."""
    profiles = OUT / example
    print(f"\n=== {example}: {' '.join(command)}", flush=True)
    with served(example, variable, profiles, command) as address:
        options = ["--requests", str(REQUESTS), "--clients", str(CLIENTS)]
        run(EXAMPLES / example / "traffic.py", address, *options)
    folder = profiles.relative_to(ROOT)
    run("reqprof", "slowest", folder, "-n", "10")
    run("reqprof", "slowest", folder, "--by", "route")
    for form in ("svg", "html"):
        run("reqprof", "merge", folder, f"--{form}", "-o", f"{folder}.{form}")


def main() -> None:
    """Both examples, one after the other."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    gunicorn = ["gunicorn", "--bind", "fd://{fd}", "--worker-class", "gthread"]
    show("flask_app", "SHOP_PROFILES", [*gunicorn, "--threads", "8", "flask_app.shop:app"])
    show("starlette_app", "TRAMS_PROFILES", ["uvicorn", "--fd", "{fd}", "starlette_app.trams:app"])
    print("\nThe pictures, to look at:", *(f"demo/{name}.svg" for name in EXAMPLE_NAMES))
    print("And to explore, in a browser:", *(f"demo/{name}.html" for name in EXAMPLE_NAMES))


if __name__ == "__main__":
    main()

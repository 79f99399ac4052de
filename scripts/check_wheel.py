"""Whether an installed reqprof records with the exact engine: ``python check_wheel.py``.

``python check_wheel.py --without`` is for one that was installed where the engine could not be
built: then cProfile has to record, and asking for the exact engine has to say why it is not there.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import reqprof
from reqprof.record.engines import Unavailable
from reqprof.store import reader
from reqprof.tree.profile import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqprof.model import Profile

TIMES = 7
STACK = (("app", 1), ("work", TIMES), ("<built-in method builtins.sum>", TIMES))
FLUSHED_WITHIN = 30.0  # seconds


def work(numbers: Iterable[int]) -> int:
    """What the profile must show, with one C call in each."""
    return sum(numbers)


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The smallest WSGI app with calls to count."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    total = 0
    for _ in range(TIMES):
        total += work((1, 2, 3))
    return [str(total).encode()]


def expect(right: bool, what: str) -> None:
    """Raise SystemExit, saying ``what`` is not as it should be, unless it is."""
    if not right:
        raise SystemExit(f"check_wheel: {what}")


def profile_of_one_request(folder: Path, **options: Any) -> Profile:
    """The profile that one request to the app leaves."""
    wrapped = reqprof.ProfilerMiddleware(app, out_dir=folder, strict=True, **options)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    body = wrapped(environ, lambda *_: lambda _: None)
    try:
        answer = b"".join(body)
    finally:
        body.close()
    expect(answer == b"42", f"the app answered {answer!r}")
    expect(wrapped.flush(FLUSHED_WITHIN), "the profile was not written in time")
    found = sorted(folder.glob("*.prof"))
    expect(len(found) == 1, f"one request left {len(found)} profiles; {wrapped.counters}")
    return reader.read(found[0])


def check_calls(profile: Profile, engine: str) -> None:
    """The profile is of that engine, and no call is missing in it."""
    stored = None if profile.request is None else profile.request.engine
    expect(stored == engine, f"the profile's engine is {stored}, not {engine}")
    counted = {name: row[1] for (_, _, name), row in profile.stats.items()}
    for name, calls in STACK:
        expect(counted.get(name) == calls, f"not {calls} calls of {name}: {counted}")


def check_exact() -> str:
    """The engine is there, and so is the call tree that only it records."""
    found = importlib.util.find_spec("reqprof._exact")
    expect(found is not None, "there is no reqprof._exact")
    with tempfile.TemporaryDirectory() as folder:
        profile = profile_of_one_request(Path(folder), engine="exact")
    check_calls(profile, "exact")
    expect(profile.tree is not None, "the profile has no call tree")
    node = tree_of(profile)
    for name, calls in STACK:
        below = {child.function[2]: child for child in node.children.values()}
        expect(name in below, f"{name} is not below {node.function[2]}, only {list(below)}")
        node = below[name]
        expect(node.calls == calls, f"{node.calls} calls of {name} in the tree, not {calls}")
    return "the exact engine is there and records"


def check_without() -> str:
    """The engine is not there, which hinders only those who ask for it."""
    expect(importlib.util.find_spec("reqprof._exact") is None, "reqprof._exact is there")
    with tempfile.TemporaryDirectory() as folder:
        profile = profile_of_one_request(Path(folder))
        check_calls(profile, "cprofile")
        try:
            reqprof.ProfilerMiddleware(app, out_dir=folder, engine="exact", strict=True)
        except Unavailable as error:
            told = str(error)
        else:
            told = "no error"
    expect(told.startswith("the exact engine is not here: "), f'engine="exact" gave {told}')
    return f'cProfile records; engine="exact" says: {told}'


def main(*arguments: str) -> None:
    """Check the reqprof that this Python has; raises SystemExit with what is not right."""
    place = Path(reqprof.__file__).resolve()
    expect(place.is_relative_to(Path(sys.prefix).resolve()), f"reqprof comes from {place}")
    told = check_without() if "--without" in arguments else check_exact()
    print(f"reqprof {reqprof.__version__} on Python {platform.python_version()}: {told}")


if __name__ == "__main__":
    main(*sys.argv[1:])

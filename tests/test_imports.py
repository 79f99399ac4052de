"""What an import loads: the root nearly nothing, the served process nothing but the standard
library and its own half of the package; and no module hides one of the standard library's."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reqprof

pytestmark = pytest.mark.recording

PACKAGE = Path(reqprof.__file__).parent
READING = {"cli", "view", "tree", "web"}
READING_STORE = {"reader", "decode", "marshalled"}


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has after ``code`` and not before."""
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{program}",
    ]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_root_loads_nothing_else() -> None:
    assert loaded_by("import reqprof") <= {"reqprof", "__future__"}


@pytest.mark.parametrize("door", ["wsgi", "asgi", "jobs", "launch", "program", "serve"])
def test_a_door_loads_nothing_third_party_and_nothing_of_the_reading_half(door: str) -> None:
    """The interpreter runs without site-packages, so a third-party import would fail anyway."""
    modules = loaded_by(f"import reqprof.{door}")
    foreign = {
        name for name in modules if name.split(".")[0] not in sys.stdlib_module_names | {"reqprof"}
    }
    assert not foreign
    ours = {name.removeprefix("reqprof.") for name in modules if name.startswith("reqprof.")}
    assert not {name for name in ours if name.split(".")[0] in READING}
    assert not {name for name in ours if name.removeprefix("store.") in READING_STORE}


def test_wrapping_and_recording_load_nothing_more_of_others(tmp_path: Path) -> None:
    code = f"""
import reqprof
app = lambda environ, start_response: [sorted('ab')[0].encode()]
wrapped = reqprof.ProfilerMiddleware(app, {str(tmp_path)!r})
body = wrapped({{'REQUEST_METHOD': 'GET', 'PATH_INFO': '/'}}, None)
list(body); body.close(); assert wrapped.flush(); assert wrapped.counters['stored'] == 1
"""
    modules = loaded_by(code)
    assert {name.split(".")[0] for name in modules} <= sys.stdlib_module_names | {"reqprof"}


def imports(path: Path) -> set[str]:
    """The modules of reqprof that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reqprof"):
            module = str(node.module)
            found |= {f"{module}.{name.name}" for name in node.names} | {module}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.startswith("reqprof")}
    return found


LEVELS = {
    "model": 0, "errors": 0, "durations": 0, "paths": 0, "tokens": 0,
    "store": 1,
    "record": 2, "tree": 2,
    "view": 3,
    "wsgi": 4, "asgi": 4, "jobs": 4, "cli": 4,
    "interface": 5,
    "launch": 6, "program": 6, "pytest": 6, "serve": 6,
}  # fmt: skip
LEFT = {"wsgi", "asgi", "jobs", "launch", "interface", "program", "pytest", "serve", "record"}
RIGHT = {"cli", "view", "tree"}
ROOF = {("cli/run.py", "serve")}
"""Where both stairs meet: the command that serves, and the person at its terminal, are one."""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_arrows_run_only_downward(path: Path) -> None:
    """Doors above record, the command above views and trees; they meet only in the store."""
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if here not in LEVELS:
        return
    for module in imports(path):
        there = module.removeprefix("reqprof").strip(".").split(".")[0]
        if there not in LEVELS or there == here:
            continue
        if (path.relative_to(PACKAGE).as_posix(), there) in ROOF:
            continue
        assert LEVELS[there] <= LEVELS[here], f"{here} imports {module}"
        assert not (here in LEFT and there in RIGHT), f"{here} imports {module}"
        assert not (here in RIGHT and there in LEFT), f"{here} imports {module}"


def test_no_module_has_the_name_of_a_standard_one_at_the_top() -> None:
    names = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.name for path in PACKAGE.iterdir() if path.is_dir()
    }
    assert not names & sys.stdlib_module_names


def test_the_public_names() -> None:
    assert set(reqprof.__all__) == {"ProfilerMiddleware", "__version__", "label", "session"}
    for name in reqprof.__all__:
        assert hasattr(reqprof, name)

"""Run a script or a module as ``python`` would, recorded: what ``reqprof flame -r`` starts.

A process of its own, so that the program has its own arguments, ``__main__``, output and exit
status, and nothing of the command's beside it. It leaves a profile, or a line that says why not.
Whatever becomes of the profile, the program's own end is not touched.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import os
import shlex
import sys
from contextlib import suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Never

from reqprof.record.counters import told
from reqprof.record.engines import Unavailable
from reqprof.record.engines.session import is_own
from reqprof.record.job import Job, engine
from reqprof.store import calltree
from reqprof.store.format import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import CodeType, FrameType, TracebackType


class Lacking(Exception):
    """There is no such program."""


def main() -> None:
    """Run what the process's arguments name.

    They are: three files, the clock, ``script`` or ``module``, its name, and its own arguments.
    Of the files one is for the profile, one for the reason why the program was not run, and one
    for the reason why the profile of one that ran is lost.
    """
    profile, refused, lost, clock, how, target, *arguments = sys.argv[1:]
    sys.argv = [target, *arguments]
    sys.path.pop()  # the folder that reqprof was found in
    name = shlex.join(sys.argv)
    try:
        job = Job(engine(clock), name, target)
    except Unavailable as why:
        _refuse(refused, f"{name} was not run, as nothing can be recorded: {why}")
    begun = sys.modules["__main__"]
    start = _script if how == "script" else _module
    try:
        _record(job, start(target, _new_main()), partial(_store, job, profile, _Note(lost)))
    except Lacking as error:
        _refuse(refused, str(error))
    except BaseException:
        sys.excepthook = partial(_show, begun, sys.excepthook)
        raise


def _record(
    job: Job, run: Callable[[], None], store: Callable[[BaseException | None], None]
) -> None:
    error: BaseException | None = None
    stretch = job.enter()
    try:
        run()
    except BaseException as raised:
        error = raised
        raise
    finally:
        if job.is_here:
            job.leave(stretch)
            job.close()
            store(error)
        del error  # which would keep its own traceback, and all that hangs on it


class _Note:
    """A file for one line, open before the program begins, as it may give up the right to."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._status = os.fstat(self._file)

    def write(self, line: str) -> None:
        """Leave the line, or nothing where that is impossible."""
        with suppress(OSError):
            # The program may have closed the file, and opened another one by its number.
            if os.path.samestat(os.fstat(self._file), self._status):
                os.write(self._file, line.encode("utf-8", "backslashreplace"))


def _store(job: Job, profile: str, lost: _Note, error: BaseException | None) -> None:
    try:
        stats, request, tree = job.describe(None if isinstance(error, SystemExit) else error)
        sections = {} if tree is None else {calltree.SECTION: tree}
        _write(profile, encode(stats, request, sections))
    except OSError as fault:
        lost.write(f"writing it failed: {fault}")
    except Exception as fault:
        lost.write(f"a fault in reqprof: {told(fault)}")


def _write(path: str, data: bytes) -> None:
    """Whole or not at all, as a signal may end the process at any time."""
    part = Path(f"{path}.part")
    part.write_bytes(data)
    part.replace(path)


def _refuse(refused: str, why: str) -> Never:
    Path(refused).write_text(why, "utf-8", "backslashreplace")
    sys.exit(1)


def _new_main() -> ModuleType:
    # A module and not only a namespace: pickle and multiprocessing look it up.
    module = ModuleType("__main__")
    vars(module)["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return module


def _script(path: str, main: ModuleType) -> Callable[[], None]:
    """As ``python path``, read by now."""
    absolute = os.path.abspath(path)  # noqa: PTH100  as Python's own, with any ".." resolved
    _search_first(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120
    with io.open_code(absolute) as file:
        code = compile(file.read(), absolute, "exec", dont_inherit=True)
    loader = SourceFileLoader("__main__", absolute)
    vars(main).update(__file__=absolute, __cached__=None, __loader__=loader)
    return partial(exec, code, vars(main))


def _module(name: str, main: ModuleType) -> Callable[[], None]:
    """As ``python -m name``; the packages around it are imported in its time, too."""
    _search_first(os.getcwd())  # noqa: PTH109
    return partial(_run_module, name, main)


def _run_module(name: str, main: ModuleType) -> None:
    arguments = sys.argv[1:]
    sys.argv = ["-m", *arguments]
    spec = _spec(name)
    if spec.submodule_search_locations is not None:
        spec = _spec(f"{name}.__main__")
    code = _code(spec)
    sys.argv = [str(spec.origin), *arguments]
    vars(main).update(
        __spec__=spec,
        __package__=spec.parent,
        __file__=spec.origin,
        __cached__=spec.cached,
        __loader__=spec.loader,
    )
    exec(code, vars(main))  # noqa: S102


def _spec(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # something else that the package imports
        spec = None
    except ValueError:  # such as __main__ itself
        spec = None
    if spec is None:
        raise Lacking(f"no module {name!r} that could be run")
    return spec


def _code(spec: ModuleSpec) -> CodeType:
    loader: Any = spec.loader
    code: CodeType | None = loader.get_code(spec.name) if hasattr(loader, "get_code") else None
    if code is None:
        raise Lacking(f"the module {spec.name!r} is not written in Python and cannot be run")
    return code


def _search_first(folder: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, folder)


def _show(
    begun: ModuleType,
    hook: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """The traceback of the program, which begins where its own code does."""
    while trace is not None and _is_before(trace.tb_frame, begun):
        trace = trace.tb_next
    hook(kind, error.with_traceback(trace), trace)


def _is_before(frame: FrameType, begun: ModuleType) -> bool:
    if is_own(frame.f_code) or frame.f_globals is vars(begun):
        return True
    return str(frame.f_globals.get("__name__")).partition(".")[0] in ("runpy", "importlib")

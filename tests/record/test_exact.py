"""The exact engine's trees: every stack and every call, as an oracle in Python sees them."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from types import MethodDescriptorType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.record.engines import choose
from tests.conftest import need_engine, need_module
from tests.record.programs import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reqprof.model import Function

    Stack = tuple[Function, ...]
    Program = list[Any]

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("_built", "no_collection")]

GENERATORS = 0x2A0  # code flags: generators, coroutines, asynchronous generators


@pytest.fixture
def _built() -> None:
    need_engine("exact")


class Calls:
    """Calls and resumptions by stack, outermost function first."""

    def __init__(self) -> None:
        self.begun: Counter[Stack] = Counter()
        self.resumed: Counter[Stack] = Counter()

    def below(self, name: str) -> tuple[Counter[Stack], Counter[Stack]]:
        """Those of stacks that begin with the function of that name."""
        return tuple(  # type: ignore[return-value]
            Counter({stack: n for stack, n in counter.items() if n and stack[0][2] == name})
            for counter in (self.begun, self.resumed)
        )


class Oracle(Calls):
    """Counts with a profile hook in Python."""

    def __init__(self) -> None:
        super().__init__()
        self._stack: list[Function] = []
        self._frames: dict[int, Any] = {}  # kept, so that no other frame gets their address

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        if event not in ("call", "c_call"):
            del self._stack[-1:]
            return
        resumed = False
        if event == "c_call":
            self._stack.append(("~", 0, c_label(argument)))
        else:
            code = frame.f_code
            self._stack.append((code.co_filename, code.co_firstlineno, code.co_name))
            if code.co_flags & GENERATORS:
                resumed = id(frame) in self._frames
                self._frames[id(frame)] = frame
        (self.resumed if resumed else self.begun)[tuple(self._stack)] += 1


def c_label(function: Any) -> str:
    """What cProfile calls a C function."""
    owner, name, module = function.__self__, function.__name__, function.__module__
    if owner is None:
        return f"<{name}>" if module in (None, "builtins") else f"<{module}.{name}>"
    found = [kind.__dict__[name] for kind in type(owner).__mro__ if name in kind.__dict__]
    for method in found:
        if type(method) is MethodDescriptorType:
            return repr(method)
    if found:
        return repr(found[0])
    return f"<built-in method {module}.{name}>" if module else f"<built-in method {name}>"


def watched(work: Callable[[], object]) -> Calls:
    oracle = Oracle()
    sys.setprofile(oracle)
    try:
        work()
    finally:
        sys.setprofile(None)
    return oracle


def recorded(work: Callable[[], object], **options: Any) -> Calls:
    session: Any = choose.engine("exact", builtins=True, clock="wall").session()
    stretch = session.enter()
    try:
        work()
    finally:
        session.leave(stretch)
        session.close()
    assert session.fault is None
    (tree,) = session.trees()
    return read(*tree.encode("/nowhere"))


def read(functions: list[Function], nodes: bytes) -> Calls:
    """The nodes as docs/format.md describes them."""
    found = Calls()
    stack: list[Function] = []
    for up, function, calls, resumes, _, _ in rows(nodes):
        del stack[len(stack) - up :]
        stack.append(functions[function])
        found.begun[tuple(stack)] += calls
        found.resumed[tuple(stack)] += resumes
    return found


def rows(nodes: bytes) -> Iterator[tuple[int, ...]]:
    numbers: list[int] = []
    number = shift = 0
    for byte in nodes:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    assert shift == 0
    assert len(numbers) % 6 == 0
    return iter([tuple(numbers[i : i + 6]) for i in range(0, len(numbers), 6)])


def test_what_a_greenlet_of_the_request_calls_hangs_below_what_switched_to_it() -> None:
    need_module("greenlet")
    import greenlet

    def inner() -> None:
        len([1])
        greenlet.getcurrent().parent.switch()
        inner_again()

    def inner_again() -> None: ...

    def outer() -> None:
        for _ in range(2):
            child = greenlet.greenlet(inner)
            while not child.dead:
                child.switch()

    found, _ = recorded(outer).below("outer")
    stacks = {tuple(name for _, _, name in stack): calls for stack, calls in found.items()}
    switch = "<method 'switch' of 'greenlet.greenlet' objects>"
    assert stacks["outer", switch] == 4
    assert stacks["outer", switch, "inner"] == 2
    assert stacks["outer", switch, "inner", "<built-in method builtins.len>"] == 2
    assert stacks["outer", switch, "inner", "inner_again"] == 2


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_every_stack_and_every_call_is_there(program: Callable[[], object]) -> None:
    program()  # caches of re and json are warm for both
    assert recorded(program).below(program.__name__) == watched(program).below(program.__name__)


def test_a_c_method_keeps_its_name_where_a_subclass_overrides_it() -> None:
    """cProfile names it, for all that call it, by what the first object has of that name."""

    class Named(dict[str, int]):
        def items(self) -> Any:
            return super().items()

    def program() -> None:
        Named().items()
        {}.items()

    found, _ = recorded(program).below("program")
    names = {tuple(function[2] for function in stack[1:]) for stack in found}
    items = "<method 'items' of 'dict' objects>"
    assert names == {(), ("items",), ("items", items), (items,)}


# Random programs: each step is a function's number and what it does.

STEPS = st.recursive(
    st.sampled_from([("c",), ("raise",), ("nothing",)]),
    lambda steps: st.tuples(
        st.sampled_from(["call", "generate", "catch", "throw", "callback"]),
        st.integers(0, 3),
        st.lists(steps, max_size=4),
    ),
    max_leaves=25,
)

_TEXT = """
def run_{n}(steps):
    for step in steps: do(step)

def generate_{n}(steps):
    for step in steps:
        do(step)
        yield step
"""
SPACE: dict[str, Any] = {}


def done(step: Any) -> int:
    do(step)
    return 0


def do(step: Any) -> None:
    what = step[0]
    if what == "c":
        abs(-1)
    elif what == "raise":
        raise LookupError
    elif what == "call":
        SPACE[f"run_{step[1]}"](step[2])
    elif what == "generate":
        for _ in SPACE[f"generate_{step[1]}"](step[2]):
            abs(-2)
    elif what == "throw":
        thrown(SPACE[f"generate_{step[1]}"](step[2]))
    elif what == "callback":
        sorted(step[2], key=done)
    elif what == "catch":
        try:
            SPACE[f"run_{step[1]}"](step[2])
        except LookupError:
            abs(-3)


def thrown(generator: Any) -> None:
    try:
        next(generator)
        generator.throw(LookupError())
    except (LookupError, StopIteration):
        pass
    generator.close()


SPACE["do"] = do
for _n in range(4):
    exec(_TEXT.format(n=_n), SPACE)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=6))
def test_random_programs(steps: Program) -> None:
    def program() -> None:
        with suppress(LookupError):
            SPACE["run_0"](steps)

    assert recorded(program).below("program") == watched(program).below("program")

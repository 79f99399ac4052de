"""The app's code that runs inside the exact engine: it may end what is just recording."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import need_engine

pytestmark = [pytest.mark.recording, pytest.mark.usefixtures("_built")]

BEGIN = """
import gc, math, sys, threading
from reqprof import _exact
from reqprof.record.engines import choose
from tests.conftest import still_on

class Loud:
    # Its repr() is asked for when the recorder has to name a C function for the first time.
    def __repr__(self):
        act()
        return "loud"

class Kind(type(math)):
    sqrt = Loud()

math.__class__ = Kind

def named():
    math.sqrt(1)

def leaf(): pass

def counted(table):
    return {function[2]: row[1] for function, row in table.items()}

def new_session():
    return choose.engine("exact", builtins=True, clock="wall").session()
"""

END = """
if session is not None:
    session.close()
    assert session.fault is None, session.fault
assert still_on() == []
"""

PROGRAMS = {
    "closed and dropped": """
def act():
    global session, acted
    session.close()
    session.drop()
    session = None
    sys.setprofile(None)  # 3.11's hold on it
    gc.collect()
    acted = True
    assert _exact.here() is None

session = new_session()
session.enter()
named()
leaf()
assert acted
""",
    "closed by a thread that then reads": """
read = []
def act():
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()

def close():
    session.close()
    read.append(counted(session.finish()))

session = new_session()
stretch = session.enter()
leaf()
named()
leaf()
assert read[0]["leaf"] == 1 and "loud" not in read[0], read
assert counted(session.finish()) == read[0]
session.leave(stretch)
""",
    "begun anew": """
def act():
    stretch.end()
    stretch.begin()

session = new_session()
stretch = session.enter()
def outer():
    named()
    leaf()
outer()
leaf()
session.leave(stretch)
session.close()
found = counted(session.finish())
assert (found["outer"], found["named"], found["leaf"], found.get("loud")) == (1, 1, 2, None), found
""",
    "collected meanwhile": """
def finalised(): pass

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        finalised()

def act():
    Cycle()
    gc.collect()

session = new_session()
stretch = session.enter()
for _ in range(3):
    named()
    leaf()
session.leave(stretch)
session.close()
found = counted(session.finish())
assert (found["named"], found["leaf"], found["loud"]) == (3, 3, 3), found
""",
    "collected all the time": """
finals = 0
def finalised():
    global finals
    finals += 1

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        if recording and threading.get_ident() == main:  # others collect too
            finalised()

def act(): pass

functions, spaces = [], []
for number in range(700):
    space = {"Cycle": Cycle}
    exec(f"def only_{number}(): Cycle(); return [[]]", space)
    functions.append(space[f"only_{number}"])

recording, main = False, threading.get_ident()
session = new_session()
gc.collect()
gc.set_threshold(1)
stretch = session.enter()
recording = True
for _ in range(2):
    for function in functions:
        function()
recording = False
session.leave(stretch)
gc.set_threshold(700)
session.close()
found = counted(session.finish())
assert [found[f"only_{number}"] for number in range(700)] == [2] * 700
assert finals > 100
assert found["finalised"] == finals, (found["finalised"], finals)
""",
    "the module's name is let go of": """
function = math.sqrt
function.__module__ = "".join(["a module's name of its own", " and nobody else's"])
def act():
    function.__module__ = None
    raise ValueError

session = new_session()
stretch = session.enter()
function(1)
session.leave(stretch)
session.close()
assert "<built-in method a module's name of its own and nobody else's.sqrt>" in counted(
    session.finish()
)
""",
    "the thread's state is cleared by another": """
import ctypes

def state():
    get = ctypes.pythonapi.PyThreadState_GetDict
    get.restype = ctypes.c_void_p
    return ctypes.cast(get(), ctypes.py_object).value

def act(): pass

def run():
    states.append(state())
    stretch = session.enter()
    leaf()
    recording.set()
    cleared.wait()
    for _ in range(100):
        leaf()
    session.leave(stretch)

states = []
recording, cleared = threading.Event(), threading.Event()
session = new_session()
thread = threading.Thread(target=run)
thread.start()
recording.wait()
states[0].pop("reqprof._exact.thread", None)  # as clearing the thread's state does, on 3.12
cleared.set()
thread.join()
assert counted(session.finish())["leaf"] in (1, 101)
""",
}


@pytest.fixture
def _built() -> None:
    need_engine("exact")


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_counts_on_and_uses_nothing_that_is_gone(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + PROGRAMS[name] + END],
        # Memory that is let go of is overwritten.
        env={"PYTHONMALLOC": "debug", **os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

"""What systems differ in; real threads, locks and sleep, also where gevent has put in its own.

What no request should wait for must not run among the greenlets that serve requests.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def original(module: str, name: str) -> Any:
    """What a module of the standard library had under ``name`` before gevent came."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(importlib.import_module(module), name)


def after_fork(renew: Callable[[], None]) -> None:
    """Have ``renew`` called in each forked child, on systems that fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def start_thread(target: Callable[[], None], name: str) -> None:
    """Start a daemon thread that takes no signals. Raises RuntimeError where none is to be had.

    What the app's threads block for a while would else be delivered to this one.
    """
    usual = _block_signals()

    def run() -> None:
        _here.usual = usual
        target()

    monkey = sys.modules.get("gevent.monkey")
    try:
        if monkey is not None and monkey.is_module_patched("threading"):
            original("_thread", "start_new_thread")(run, ())
        else:
            threading.Thread(target=run, name=name, daemon=True).start()
    finally:
        _mask_signals(usual)


@contextmanager
def usual_signals() -> Iterator[None]:
    """Where such a thread runs the user's code: a program that this starts takes signals again."""
    _mask_signals(getattr(_here, "usual", None))
    try:
        yield
    finally:
        if hasattr(_here, "usual"):
            _block_signals()


def _block_signals() -> set[int] | None:
    """Returns what was blocked before; None where the system knows no such thing."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    faults = (signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)  # the thread's own
    return signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals().difference(faults))


def _mask_signals(blocked: set[int] | None) -> None:
    if blocked is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


_here = original("_thread", "_local")()

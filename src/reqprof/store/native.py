"""What systems differ in; real threads, locks and sleep, also where gevent has put in its own.

What no request should wait for must not run among the greenlets that serve requests.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """Start a daemon thread. Raises RuntimeError where none is to be had."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        original("_thread", "start_new_thread")(target, ())
    else:
        threading.Thread(target=target, name=name, daemon=True).start()

"""What requests do: all kinds by name, each entered by the module that it is in."""

from __future__ import annotations

import importlib.util

from tests.matrix.kind import KINDS

__all__ = ["KINDS"]

_MODULES = ["own_steps", "groups", "pools", "cancelled", "left", "starlettes", "on_asyncio"]
if importlib.util.find_spec("trio") is not None:
    _MODULES.append("on_trio")
for _module in _MODULES:
    importlib.import_module(f"{__name__}.{_module}")

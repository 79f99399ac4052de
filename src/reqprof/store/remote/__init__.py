"""Profiles of many machines, behind the URLs of fsspec. For commands alone."""

from __future__ import annotations

from typing import Final

SUFFIX: Final = ".reqprof.zip"
"""Of an object that holds many profiles."""

"""Profiles on disk: written by the served process, read back by the command."""

from __future__ import annotations

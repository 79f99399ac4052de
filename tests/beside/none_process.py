"""No other tool."""

from __future__ import annotations

from tests.beside.serving import Tool, main

if __name__ == "__main__":
    main(Tool)

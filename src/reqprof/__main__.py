"""``python -m reqprof`` is the ``reqprof`` command."""

from __future__ import annotations

from reqprof.cli import main

if __name__ == "__main__":
    main()

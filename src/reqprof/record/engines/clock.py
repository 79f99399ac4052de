"""The clocks, and a way to call C functions inside a stretch that no profile shows."""

from __future__ import annotations

import time
from functools import partial

# cProfile records calls of C functions and methods, and of nothing else that is not Python: what
# reqprof calls inside a stretch it calls through partial objects.
unseen = partial
now = unseen(time.perf_counter)
cpu_now = unseen(time.thread_time)

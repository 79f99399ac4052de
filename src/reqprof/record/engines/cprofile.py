"""The cProfile engine: cProfile's own C profiler, one for each request and thread.

Up to Python 3.11 that profiler is switched per thread (``hook.py``). From 3.12 on a process has
only one to switch, so its callbacks are called thread by thread instead (``monitoring.py``).
"""

from __future__ import annotations

import sys

if sys.version_info >= (3, 12):
    from reqprof.record.engines.monitoring import MonitoringSession as Session
    from reqprof.record.engines.monitoring import active as active
else:
    from reqprof.record.engines.hook import CprofileHookSession as Session
    from reqprof.record.engines.hook import active as active

__all__ = ["Session", "active"]

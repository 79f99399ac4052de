"""Tasks of Celery, as docs/jobs.md has them, with a folder for a broker."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

import reqprof

_home = Path(os.environ["TEST_BROKER"])
for _name in ("messages", "results", "control"):
    (_home / _name).mkdir(parents=True, exist_ok=True)
app = Celery("shop", broker="filesystem://", backend=f"file://{_home}/results")
app.conf.broker_transport_options = {
    "data_folder_in": str(_home / "messages"),
    "data_folder_out": str(_home / "messages"),
    "control_folder": str(_home / "control"),
    "polling_interval": 0.1,
}
app.conf.broker_connection_retry_on_startup = False

profiled = reqprof.session(
    "invoices", os.environ["TEST_PROFILES"], engine=os.environ["TEST_ENGINE"], strict=True
)


def leaf() -> None: ...


@app.task  # type: ignore[untyped-decorator]
@profiled
def send_invoices(times: int) -> int:
    reqprof.label(times=times)
    for _ in range(times):
        leaf()
    if times == 13:
        raise ValueError("no luck")
    return times

"""Upload finished profiles and tallies to a store of objects, in bundles.

DIR is the folder that the middleware writes to, URL where to: s3://bucket/profiles, gs://...,
anything that fsspec knows (pip install 'reqprof[cloud]', and what the store needs, such as s3fs).
Credentials are those of the store's own tools. The commands that read take the same URL.

Up to a thousand profiles go into one object, a ZIP, below URL/HOST/DAY/. What is there already
stays as it is: shipping again, say every five minutes, uploads what is new, and an interrupted run
is made good by the next. Damaged profiles are named and stay here, as do those of other tools.

Nothing is deleted here unless --delete is given, and then only what was read back from there, byte
for byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.talk import bar, plural, say
from reqprof.errors import ReqprofError, UsageError
from reqprof.sizes import format_size
from reqprof.store.turn import Turn

if TYPE_CHECKING:
    from reqprof.store.remote.shipping import Shipped


@click.command(help=__doc__)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("url", metavar="URL")
@click.option("--delete", is_flag=True, help="Delete here what was verified there.")
def command(folder: Path, url: str, delete: bool) -> int:
    """Ship; gives the exit status."""
    from reqprof.store.remote.shipping import Shipper  # only here: it takes its time to import

    if "://" not in url:
        raise UsageError(
            f"{url!r} is no URL; write s3://bucket/profiles, or file:///... for a disk"
        )
    gather.check_folder(folder)
    remarks = gather.Remarks()
    with Turn(folder, beside="").taken() as mine:
        if not mine:
            raise ReqprofError(f"{folder}: another process ships it; try again when that is done")
        stored = gather.find_in(folder, remarks)
        with bar(len(stored), "Shipping profiles") as done:
            shipped = Shipper(folder, url, remarks.unreadable, done).ship(stored, delete=delete)
    _tell(shipped, url)
    return remarks.status


def _tell(shipped: Shipped, url: str) -> None:
    parts = [f"shipped {plural(shipped.profiles, 'profile')}, {format_size(shipped.size)}"]
    if shipped.bundles:
        made = f"in {plural(shipped.bundles, 'bundle')} of {format_size(shipped.sent)}"
        parts[0] += f", {made} to {url}"
    if shipped.known:
        parts.append(f"{shipped.known:,} were there before")
    if shipped.foreign:
        parts.append(f"{plural(shipped.foreign, 'profile')} of other tools stay")
    if shipped.deleted:
        parts.append(f"deleted {shipped.deleted:,} here")
    say("; ".join(parts))

"""Read every profile of a folder whole, and name those that are damaged.

PATH is a folder of profiles, a file, a quoted glob or a URL ("profiles" if not given). Listings
believe a file's last bytes and the index; this reads the rest too: checksum, table, call tree and
waits. Each bad file is one line on stdout, with what is wrong, and the exit status is 1 if there is
any. Files of other tools have no checksum: of them only what makes no sense shows.

--json prints one JSON array of the bad files: file and reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reqprof.cli import gather
from reqprof.cli.talk import emit, emit_json, plural, printable, progress, say
from reqprof.errors import BadProfile, NotFound
from reqprof.store.anywhere import Reader
from reqprof.tree.profile import tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(help=__doc__)
@click.argument("names", metavar="[PATH]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of lines.")
@gather.untrusted
def command(names: Sequence[str], as_json: bool, untrusted: bool) -> int:
    """Read them all; gives the exit status."""
    files, bad = gather.files(names)
    if not files and not bad:
        raise NotFound(f"no profiles in {gather.called(names)}")
    read = Reader(trusted=not untrusted)
    read.expect(files)
    sound = gone = 0
    for file in progress(files, len(files), "Checking profiles"):
        try:
            tree_of(read(file))  # which takes all of it apart
        except BadProfile as error:
            bad.append(error)
        except NotFound:
            gone += 1
        else:
            sound += 1
    if as_json:
        emit_json([{"file": str(error.path), "reason": error.reason} for error in bad])
    else:
        emit(printable(str(error)) for error in bad)
    deleted = f", {gone:,} deleted meanwhile" if gone else ""
    say(f"{plural(sound + len(bad) + gone, 'profile')}: {sound:,} sound, {len(bad):,} bad{deleted}")
    return 1 if bad else 0

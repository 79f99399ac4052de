"""A finished profile to a whole file and its line in the index, or to nothing at all."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from io import BufferedWriter, FileIO
from typing import TYPE_CHECKING

from reqprof.model import Timeline
from reqprof.store import calltree, index, naming
from reqprof.store import format as prof
from reqprof.store import timeline as section
from reqprof.store.census import TEMPORARY
from reqprof.store.private import make_private, open_private, open_to_others
from reqprof.store.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from reqprof.model import Request, Stats
    from reqprof.store.caps import Caps

logger = logging.getLogger("reqprof")

_INDEX_LINES = 1000  # then a new file, so that old ones can go whole when their profiles have gone


class NoRoom(OSError):
    """The disk is fuller than ``min_free`` allows, and nothing of ours is left to delete."""


class Writer:
    """Writes into one folder. Everything but the constructor runs on the background thread.

    ``template`` is a user's ``filename_format``: a string, or a callable that is given the
    request's environment.
    """

    def __init__(
        self,
        folder: Path,
        caps: Caps,
        template: str | naming.NameMaker | None = None,
    ) -> None:
        self.folder = folder
        self.last_name = ""  # in the folder, of the profile stored last
        self.stored_bytes = 0  # since the beginning, by this process or those it was forked from
        self._home = os.path.join(folder, "")  # noqa: PTH118
        self._retention = Retention(folder, caps)
        self._template = template
        self._lines = 0
        self._index = b""
        self._index_pid = 0
        self._told_of_waits = False
        self._looked_at_mode = False

    def prepare(self) -> None:
        """Make the folders; raises OSError where that is impossible."""
        make_private(self.folder)
        index.prepare(self.folder)
        if not self._looked_at_mode:
            self._looked_at_mode = True
            if open_to_others(self.folder):
                logger.warning(
                    "%s was there before and is open to other users, who see when which route was"
                    " called; close it with: chmod 700 %s",
                    self.folder,
                    self.folder,
                )

    def write(
        self,
        stats: Stats,
        request: Request,
        environ: Mapping[str, Any] | None,
        timeline: Timeline | None = None,
        tree: bytes | None = None,
    ) -> int:
        """Store one profile; returns how many older ones had to go since the last one stored.

        A timeline that cannot be stored is left out. Raises OSError where the folder or the disk
        does not take the profile.
        """
        self.prepare()
        if not self._retention.has_room():
            raise NoRoom(f"less than min_free of the disk of {self.folder} is free")
        data = prof.encode(stats, request, self._sections(timeline, tree))
        name = self.last_name = self._place(data, request, environ)
        line = index.line(name, len(data), request)
        self._append(line)
        self.stored_bytes += len(data)
        gone = self._retention.wrote(len(data) + len(line))
        if gone:
            # So that the index shrinks with the profiles, however few may stay.
            self._index = b""
        return gone

    def remove(self, name: str, id_: str) -> bool:
        """Delete a profile of this writer's again; its index line goes stale.

        A file that has the name but is not of the request ``id_`` stays: another may have taken
        its place. Returns whether one was deleted.
        """
        path = self._home + name
        try:
            with FileIO(path) as file:
                facts = prof.tail_facts(file.fileno(), os.fstat(file.fileno()).st_size)
            if facts is None or facts.get("id") != id_:
                return False
            os.unlink(path)  # noqa: PTH108
        except (OSError, ValueError):  # gone already, or damaged
            return False
        return True

    def grew(self, size: int) -> None:
        """Take note of ``size`` bytes that were written beside the profiles."""
        self._retention.grew(size)

    def tend(self) -> None:
        """What is to be done now and then where nothing is written."""
        with contextlib.suppress(OSError):  # no folder yet, or no more
            self._retention.tend()

    def _sections(self, timeline: Timeline | None, tree: bytes | None) -> dict[str, bytes]:
        sections = {} if tree is None else {calltree.SECTION: tree}
        if timeline is not None and timeline != Timeline():
            try:
                sections[section.SECTION] = section.encode(timeline)
            except Exception as error:  # whatever it is, the profile is worth more
                if not self._told_of_waits:
                    self._told_of_waits = True
                    logger.warning("profiles are stored without their waits: %s", error)
        return sections

    def _place(self, data: bytes, request: Request, environ: Mapping[str, Any] | None) -> str:
        # Texts and not paths: Python 3.12 keeps each part of a path for good.
        file_name = f"{TEMPORARY}{request.id}-{os.getpid()}-{threading.get_ident()}"
        temporary = self._home + file_name
        raw = open_private(temporary, os.O_EXCL)
        try:
            with BufferedWriter(raw) as file:
                file.write(data)
            if self._template is None:
                name = naming.name(request)
                os.replace(temporary, self._home + name)  # noqa: PTH105
            else:
                name = self._take_name(temporary, request, environ)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        return name

    def _take_name(
        self, temporary: str, request: Request, environ: Mapping[str, Any] | None
    ) -> str:
        """Give the file its user-chosen name, or that name with the id where it is taken."""
        name = self._chosen_name(request, environ)
        # A link, unlike a rename, does not overwrite what has the name already.
        try:
            os.link(temporary, self._home + name)
        except OSError:  # taken, or a file system that has no links
            name = naming.with_id(name, request)
            os.replace(temporary, self._home + name)  # noqa: PTH105
        else:
            os.unlink(temporary)  # noqa: PTH108
        return name

    def _chosen_name(self, request: Request, environ: Mapping[str, Any] | None) -> str:
        if isinstance(self._template, str):
            return naming.from_template(self._template, request)
        assert self._template is not None
        timing = {"elapsed": request.duration * 1000.0, "time": request.start + request.duration}
        return naming.safe(str(self._template({**(environ or {}), "werkzeug.profiler": timing})))

    def _append(self, line: bytes) -> None:
        # Opened for each line: a file that retention trimmed away is made anew, and no
        # descriptor is shared with a forked child.
        if not self._index or self._lines == _INDEX_LINES or self._index_pid != os.getpid():
            self._lines, self._index_pid = 0, os.getpid()
            self._index = f"{index.process_name()}.jsonl".encode()
        path = os.path.join(os.fsencode(self._home + index.FOLDER), self._index)  # noqa: PTH118
        try:
            with open_private(path, os.O_APPEND) as file:
                whole = file.write(line) == len(line)
        except OSError:
            whole = False
        # The index is a cache: the profile is stored without its line too. But what may be half a
        # line must stay the last one of its file.
        self._lines = self._lines + 1 if whole else _INDEX_LINES

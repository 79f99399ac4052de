"""What may happen to a file: see :mod:`tests.store.test_accidents`, which runs this on its own.

``python -m tests.store.accidents FOLDER SEED COUNT``: so many damaged copies of the profiles of a
folder are read. A copy that makes the reader crash, hang, take much memory or raise anything but
BadProfile, or that is one of ours and read as what it was not, ends the process and stays there.
"""

from __future__ import annotations

import random
import resource
import signal
import struct
import sys
from pathlib import Path

from reqprof.errors import BadProfile
from reqprof.store import reader
from reqprof.store.format import split
from reqprof.tree.profile import tree_of

MEMORY = 200 << 20
"""Bytes that reading one may take."""

SECONDS = 1.0
"""Of the CPU."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One accident: bytes changed, cut, repeated or moved, with a liking for what marshal reads."""
    place = chance.randrange(len(data))
    size = chance.randrange(1, 12)
    other = chance.randrange(len(data))
    code = bytes([chance.choice(b"r(){0NTFSigIlfysuztaAZRcC<>[:x.") | chance.choice((0, 0x80))])
    reference = b"r" + struct.pack("<I", chance.choice((0, 1, 2, 5, 40, 2**31, 2**32 - 1)))
    return chance.choice(
        (
            data[:place],
            data[:place] + data[place + size :],
            data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :],
            data[:place] + code + data[place + 1 :],
            data[:place] + chance.randbytes(size) + data[place + size :],
            data[:place] + struct.pack("<i", chance.choice((-1, 2**31 - 1, 7))) + data[place + 4 :],
            data[:place] + reference + data[place + 5 :],
            data[:place] + data[other : other + 30] + data[place:],
        )
    )


def main(folder: Path, seed: int, count: int) -> None:
    """Prints how many were refused, read as they were before, and read as something else."""
    chance = random.Random(seed)
    files = sorted(folder.glob("*.prof"))
    sources = [(path, path.read_bytes(), reader.read(path).stats) for path in files]
    before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (before + MEMORY,) * 2)
    (folder / "damaged").mkdir()
    refused = same = other = 0
    for _ in range(count):
        path, data, stats = chance.choice(sources)
        is_ours = split(data) is not None
        copy = data
        for _ in range(chance.choice((1, 1, 2, 5))):
            copy = mutated(copy, chance) or b"{"
        # Of ours the name tells too, where the trailer was cut off.
        damaged = folder / "damaged" / path.name
        damaged.write_bytes(copy)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            profile = reader.read(damaged)
            tree_of(profile)
        except BadProfile:
            refused += 1
        else:
            same += profile.stats == stats
            other += profile.stats != stats
            assert profile.stats == stats or not is_ours, "silently wrong"
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    print(refused, same, other)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

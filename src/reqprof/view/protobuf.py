"""The wire format of protocol buffers, as far as a file of pprof needs it.

Described in "Encoding" at protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

_LARGEST = 2**63 - 1  # what a reader has room for; a broken profile may hold more
_BYTES = [bytes((value,)) for value in range(0x80)]


def varint(value: int) -> bytes:
    """A whole number of 0 or more: seven bits a byte, the lowest first, the last without a mark."""
    if 0 <= value <= 0x7F:
        return _BYTES[value]
    value = max(0, min(value, _LARGEST))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(key: int, value: int) -> bytes:
    """A field that is a whole number."""
    return varint(key << 3) + varint(value)


def field(key: int, data: bytes) -> bytes:
    """A field that is a string, a message or packed numbers."""
    return varint(key << 3 | 2) + varint(len(data)) + data

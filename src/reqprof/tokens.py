"""Tokens by which a person who knows the secret asks for one request's profile.

A token is ``1.EXPIRY.ROUTE.MAC``: the version, the second since 1970 at which it ends, the pattern
of the paths that it is good for in base64url (nothing for all), and HMAC-SHA256 (RFC 2104) of what
stands before it, in base64url without padding (RFC 4648, section 5). All of it can stand in a
header or a cookie.
"""

from __future__ import annotations

import hmac
import math
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

from reqprof.paths import matcher

MIN_SECRET = 16
"""Bytes; a shorter secret could be found by trying."""

MAX_SECONDS = 366 * 86400.0
MAX_ROUTE = 256
"""Bytes of a pattern in UTF-8."""

MAX_TOKEN = 512
"""Characters; what is longer is refused unread."""

_TOKEN = re.compile(r"(1\.([0-9]{1,12})\.([A-Za-z0-9_-]*))\.([A-Za-z0-9_-]{43})")
_PURPOSE = b"reqprof token\n"  # so that a secret used elsewhere too signs nothing for us


def key(secret: str | bytes) -> bytes:
    """The secret's bytes, without the line end that a file may have after it.

    Raises TypeError or ValueError; neither says what the secret is.
    """
    if not isinstance(secret, (str, bytes)):
        raise TypeError(f"a secret is str or bytes; got {type(secret).__name__}")
    # A variable of the environment may hold any bytes; an error would hold the secret.
    found = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    found = found.rstrip(b"\r\n")
    if len(found) < MIN_SECRET:
        raise ValueError(f"a secret has at least {MIN_SECRET} bytes; this one has {len(found)}")
    return found


def make(
    secret: str | bytes, seconds: float, route: str | None = None, now: float | None = None
) -> str:
    """A token that is good for so many seconds from ``now`` (since 1970), for ``route`` alone.

    ``route`` is a pattern as :func:`reqprof.paths.matcher` takes. Raises TypeError or ValueError.
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"a token is good for more than 0 s, at most 366 days; got {seconds!r}")
    expiry = math.ceil((time.time() if now is None else now) + seconds)
    head = f"1.{expiry}.{_packed(route)}"
    return f"{head}.{_mac(key(secret), head)}"


def check(secret: str | bytes, token: str, path: str, now: float | None = None) -> bool:
    """Whether the token was made with this secret, has not ended, and is good for ``path``.

    Any text at all may be asked about. Raises TypeError or ValueError for a bad secret alone.
    """
    known = key(secret)
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if found is None:
        return False
    head, expiry, route, mac = found.groups()
    # In constant time, and before anything that it says is believed.
    if not hmac.compare_digest(mac, _mac(known, head)):
        return False
    if int(expiry) <= (time.time() if now is None else now):
        return False
    return not route or matcher(_unpacked(route)).fullmatch(path) is not None


def _packed(route: str | None) -> str:
    if route is None:
        return ""
    matcher(route)
    text = route.encode()
    if len(text) > MAX_ROUTE:
        raise ValueError(f"a token's route has at most {MAX_ROUTE} bytes; this one has {len(text)}")
    return _base64(text)


def _unpacked(route: str) -> str:
    return urlsafe_b64decode(route + "=" * (-len(route) % 4)).decode()


def _mac(known: bytes, head: str) -> str:
    return _base64(hmac.digest(known, _PURPOSE + head.encode("ascii"), "sha256"))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

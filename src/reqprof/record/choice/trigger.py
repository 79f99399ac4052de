"""Requests that ask for their own profile, with a token in a header or a cookie."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqprof import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = "x-reqprof"
COOKIES = "cookie"
"""The headers that may have one, in lower case."""

_COOKIE = "reqprof"

_OURS = re.compile(rf"(?:^|;)[ \t]*{_COOKIE}=\"?([^;\"]*)")  # RFC 6265, section 4.2.1


class Trigger:
    """Whose secret makes tokens valid. Raises TypeError or ValueError, without the secret."""

    def __init__(self, secret: str | bytes) -> None:
        try:
            self._secret = tokens.key(secret)
        except (TypeError, ValueError) as error:
            raise type(error)(f"trigger: {error}") from None

    def asks(self, header: Callable[[str], str | None], path: Callable[[], str]) -> bool | None:
        """Whether the request's token is valid; None where it has none.

        ``header`` gives the value of a header by its name in lower case.
        """
        token = header(HEADER)
        if token is None:
            found = _OURS.search(header(COOKIES) or "")
            token = None if found is None else found[1].rstrip()
        return None if token is None else tokens.check(self._secret, token, path())

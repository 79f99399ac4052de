"""From profiles to what a person asked for: the one place that calls trees and views."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING

from reqprof.store.stats import combine
from reqprof.tree.build import build
from reqprof.tree.merge import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqprof.model import Profile

    Caption = Callable[[], tuple[str, list[str]]]

PSTATS_VERSION = 4
"""Of marshal, as cProfile writes it; later ones mean nothing to older Pythons."""


def many(profiles: Iterable[Profile], form: str, renderer: str, caption: Caption) -> str | bytes:
    """All profiles added up; ``caption`` gives title and notes once they have passed."""
    if form == "prof":
        return marshal.dumps(combine(profile.stats for profile in profiles), PSTATS_VERSION)
    if renderer == "flameprof":
        from reqprof.view import flameprof

        return flameprof.render(combine(profile.stats for profile in profiles))
    # A tree for each request, then the sum: merged edges lose which caller meant which callee.
    tree = merge(build(profile.stats) for profile in profiles)
    title, notes = caption()
    return view.find(form).render(tree, title=title, notes=notes)

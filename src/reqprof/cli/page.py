"""The index of a folder of pictures: one static page, no script, nothing from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from reqprof.cli import request as words
from reqprof.cli.params import format_duration, format_moment
from reqprof.cli.talk import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reqprof.model import Request

WIDEST = 94
"""Percent of its cell that the longest bar takes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file name in the folder, and what it is of."""

    file: str
    source: str  # the profile's file name
    seconds: float
    request: Request | None


def render(pictures: Iterable[Picture], title: str, notes: Sequence[str]) -> str:
    """The page as HTML, the picture of the longest request first."""
    ordered = sorted(pictures, key=lambda one: (one.request is None, -one.seconds, one.source))
    longest = max((one.seconds for one in ordered), default=0.0)
    rows = "".join(_row(rank, one, longest) for rank, one in enumerate(ordered, 1))
    return _PAGE.format(
        title=_text(title), notes="".join(f"<p>{_text(note)}</p>" for note in notes), rows=rows
    )


def _row(rank: int, picture: Picture, longest: float) -> str:
    request = picture.request
    share = picture.seconds / longest * WIDEST if longest else 0
    if request is None:
        cells = ("", "", picture.source, "", "", "")
        failed = False
    else:
        cells = (
            words.method(request),
            words.status(request),
            words.route(request),
            words.note(request),
            format_moment(request.start).replace("T", " ").replace("Z", ""),
            request.id,
        )
        failed = bool(request.exception) or (request.status or 0) >= 500
    method, status, route, note, when, name = map(_text, cells)
    return _ROW.format(
        failed=' class="failed"' if failed else "",
        rank=rank,
        share=f"{share:.1f}",
        took=_text(format_duration(picture.seconds)),
        method=method,
        status=status,
        link=escape(quote(picture.file)),
        route=route.replace("/", "/<wbr>"),
        note=f" <em>{note}</em>" if note else "",
        when=when,
        name=name,
    )


def _text(text: str) -> str:
    # A control character or half a surrogate pair makes the page unreadable to some.
    return escape(printable(text))


_ROW = """\
<tr{failed}>
<td class="n">{rank}</td>
<td class="n took"><i style="width:{share}%"></i><span>{took}</span></td>
<td>{method}</td>
<td class="status">{status}</td>
<td class="route"><a href="{link}">{route}</a>{note}</td>
<td class="dim">{when}</td>
<td class="dim id">{name}</td>
</tr>
"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark;
  --page: #fff; --ink: #1d2129; --dim: #646b78; --line: #e4e7ec; --over: #f5f7fa;
  --link: #1257a8; --bar: #ffd9a8; --bad: #b3261e;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --page: #14171c; --ink: #e4e7ec; --dim: #969eac; --line: #2a2f38; --over: #1b1f26;
    --link: #8ab8f2; --bar: #6b4518; --bad: #ff8a80;
  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem;
  background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif;
}}
h1 {{ margin: 0 0 .5rem; font-size: 1.4rem; overflow-wrap: anywhere; }}
p {{ margin: 0; color: var(--dim); overflow-wrap: anywhere; }}
.scroll {{ margin-top: 1.5rem; overflow-x: auto; }}
table {{ width: 100%; border-collapse: collapse; }}
th {{ text-align: left; font-weight: 600; color: var(--dim); }}
th, td {{ padding: .4rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }}
tbody tr:hover {{ background: var(--over); }}
.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.took {{ position: relative; min-width: 9rem; }}
.took i {{
  position: absolute; right: .3rem; top: .35rem; bottom: .35rem;
  background: var(--bar); border-radius: 3px;
}}
.took span {{ position: relative; }}
.route {{ width: 100%; white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }}
a {{ color: var(--link); text-decoration: none; }}
a:hover, a:focus-visible {{ text-decoration: underline; }}
.failed .status, .failed em {{ color: var(--bad); font-weight: 600; font-style: normal; }}
.dim {{ color: var(--dim); font-variant-numeric: tabular-nums; }}
@media (max-width: 45rem) {{
  body {{ padding: 1rem .5rem 2rem; }}
  th, td {{ padding: .4rem; }}
  .took {{ min-width: 0; }}
  .took i {{ display: none; }}
}}
.id {{ font-family: ui-monospace, monospace; font-size: .9em; }}
</style>
</head>
<body>
<h1>{title}</h1>
{notes}
<div class="scroll">
<table>
<thead><tr>
<th class="n" scope="col">rank</th><th class="n" scope="col">took</th>
<th scope="col">method</th><th scope="col">status</th><th scope="col">route</th>
<th scope="col">when (UTC)</th><th scope="col">id</th>
</tr></thead>
<tbody>
{rows}</tbody>
</table>
</div>
</body>
</html>
"""

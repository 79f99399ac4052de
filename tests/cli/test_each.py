"""``reqprof merge --each``: a folder of pictures with a page that lists them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from .making import put, put_foreign, put_rubbish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Reqprof = Callable[..., Result]


class Page(HTMLParser):
    """The rows of the page, as the texts of their cells, and all links and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.replace("\n", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three requests of different length."""
    folder = tmp_path / "profiles"
    put(folder, id="aaaaaaaaaaaa", duration=0.1)
    put(folder, id="bbbbbbbbbbbb", duration=2.0, status=500, exception="KeyError")
    put(folder, id="cccccccccccc", duration=0.5, path="/<b>&", route=None, name="odd #1% ü.prof")
    return folder


def test_each_request_gets_a_picture_and_a_row_worst_first(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    result = reqprof("merge", "--each", "-o", "pictures")

    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert result.stderr == "wrote pictures/index.html: 3 pictures, worst first\n"
    made = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert made == {"index.html", *(f"{path.stem}.svg" for path in folder.iterdir())}
    page = Page((tmp_path / "pictures" / "index.html").read_text())
    rows = [[cell.strip() for cell in row[:5]] for row in page.rows if row]
    assert rows == [
        ["1", "2.00s", "GET", "500", "/users/{id} KeyError"],
        ["2", "500ms", "GET", "200", "/<b>&"],
        ["3", "100ms", "GET", "200", "/users/{id}"],
    ]
    for link in page.links:
        picture = (tmp_path / "pictures" / unquote(link)).read_bytes()
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_the_page_stands_alone_and_runs_nothing(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    put(folder, route='/"><script>alert(1)</script>', path="/\x00\udce9", labels={"a": "b"})

    assert reqprof("merge", "--each", "-o", "pictures").exit_code == 0

    text = (tmp_path / "pictures" / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert all("://" not in link and link.endswith(".svg") for link in page.links)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_a_picture_of_one_request_says_which(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    reqprof("merge", "--each", "-o", "pictures", "--status", "500")

    (picture,) = (tmp_path / "pictures").glob("*.svg")
    text = picture.read_text()
    assert "GET /users/17 -&gt; 500, raised KeyError" in text
    assert "id bbbbbbbbbbbb" in text


@pytest.mark.parametrize(("form", "suffix"), [("--folded", ".folded"), ("--text", ".txt")])
def test_each_makes_other_formats_too(
    reqprof: Reqprof, folder: Path, tmp_path: Path, form: str, suffix: str
) -> None:
    assert reqprof("merge", "--each", form, "-o", "out").exit_code == 0

    assert len(list((tmp_path / "out").glob(f"*{suffix}"))) == 3


def test_profiles_of_other_tools_come_last(reqprof: Reqprof, folder: Path, tmp_path: Path) -> None:
    put_foreign(folder, "00-foreign.prof")

    assert reqprof("merge", "--each", "-o", "pictures").exit_code == 0

    page = Page((tmp_path / "pictures" / "index.html").read_text())
    assert page.rows[-1][4].strip() == "00-foreign.prof"


def test_profiles_of_one_name_in_two_folders_get_a_picture_each(
    reqprof: Reqprof, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        put(tmp_path / name, name="same.prof")

    assert reqprof("merge", "one", "two", "--each", "-o", "out").exit_code == 0

    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "same.svg",
        "same-2.svg",
        "index.html",
    }


def test_flameprof_draws_each_and_what_it_cannot_draw_is_named(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    put_rubbish(folder)

    result = reqprof("merge", "--each", "--renderer", "flameprof", "-o", "out")

    assert result.exit_code == 1
    assert "rubbish.prof" in result.stderr
    pictures = list((tmp_path / "out").glob("*.svg"))
    assert len(pictures) == 3
    assert all("func_g" in path.read_text() for path in pictures)


def test_a_file_in_place_of_the_folder_is_wrong_usage(
    reqprof: Reqprof, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()

    result = reqprof("merge", "--each", "-o", "out")

    assert result.exit_code == 2
    assert "out is a file; --each needs a folder" in result.stderr

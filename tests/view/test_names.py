"""Functions are named as a reader knows them."""

from __future__ import annotations

import pytest

from reqprof.tree.node import REST, ROOT
from reqprof.view.names import APP, GENERATED, NATIVE, STDLIB, clean, label, package, place, short

SITE = "/venv/lib/python3.11/site-packages"
LIB = "/usr/lib/python3.11"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (("/srv/shop.py", 3, "search"), ("search", "shop.search", "/srv/shop.py:3", APP)),
        (
            (f"{SITE}/flask/app.py", 9, "wsgi_app"),
            ("wsgi_app", "app.wsgi_app", "flask/app.py:9", "flask"),
        ),
        (
            (f"{SITE}/markupsafe/__init__.py", 9, "escape"),
            ("escape", "markupsafe.escape", "markupsafe/__init__.py:9", "markupsafe"),
        ),
        ((f"{SITE}/six.py", 9, "u"), ("u", "six.u", "six.py:9", "six")),
        (
            ("/usr/lib/python3/dist-packages/yaml/loader.py", 1, "load"),
            ("load", "loader.load", "yaml/loader.py:1", "yaml"),
        ),
        (
            (f"{LIB}/json/decoder.py", 5, "decode"),
            ("decode", "decoder.decode", "json/decoder.py:5", STDLIB),
        ),
        (
            (r"C:\Python311\Lib\json\decoder.py", 5, "decode"),
            ("decode", "decoder.decode", "json/decoder.py:5", STDLIB),
        ),
        (
            (r"C:\app\venv\Lib\site-packages\flask\app.py", 5, "f"),
            ("f", "app.f", "flask/app.py:5", "flask"),
        ),
        (
            ("/home/me/python-project/lib/shop.py", 5, "f"),
            ("f", "shop.f", "/home/me/python-project/lib/shop.py:5", APP),
        ),
        (
            ("<frozen importlib._bootstrap>", 5, "_load"),
            ("_load", "importlib._bootstrap._load", "<frozen importlib._bootstrap>:5", STDLIB),
        ),
        (("<template>", 5, "root"), ("root", "root", "<template>:5", GENERATED)),
        (
            ("/srv/templates/page.html", 5, "root"),
            ("root", "page.html.root", "/srv/templates/page.html:5", APP),
        ),
        (
            ("~", 0, "<built-in method builtins.exec>"),
            ("exec", "exec", "C function", NATIVE),
        ),
        (
            ("~", 0, "<built-in method time.sleep>"),
            ("time.sleep", "time.sleep", "C function", NATIVE),
        ),
        (
            ("~", 0, "<method 'execute' of 'sqlite3.Cursor' objects>"),
            ("Cursor.execute", "sqlite3.Cursor.execute", "C function", NATIVE),
        ),
        (
            ("~", 0, "<slot wrapper '__init__' of 'object' objects>"),
            ("object.__init__", "object.__init__", "C function", NATIVE),
        ),
        (
            ("~", 0, "<built-in method __new__ of type object>"),
            ("type.__new__", "type.__new__", "C function", NATIVE),
        ),
        (
            ("~", 0, "{method 'join' of 'str' objects}"),
            ("str.join", "str.join", "C function", NATIVE),
        ),
        (("~", 0, "<strange>"), ("<strange>", "<strange>", "C function", NATIVE)),
        (("", 0, ""), ("?", "?", ":0", APP)),
        (ROOT, ("all", "all", "", "")),
        (REST, ("…", "…", "", APP)),
    ],
)
def test_names_of_functions(
    function: tuple[str, int, str], expected: tuple[str, str, str, str]
) -> None:
    assert (short(function), label(function), place(function), package(function)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 搜 שלום", "plain é 搜 שלום"),
        ("a\nb\x00\x1b", r"a\nb\x00\x1b"),
        ("\udce9", r"\udce9"),
        ("\u202e\u2066\u200f", r"\u202e\u2066\u200f"),
        ("\ufffe\U000e0001", r"\ufffe\U000e0001"),
    ],
)
def test_clean_spells_out_what_cannot_be_printed(text: str, expected: str) -> None:
    assert clean(text) == expected

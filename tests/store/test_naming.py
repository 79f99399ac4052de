"""Names of files: safe, short, unique and in order of time, whatever the URL holds."""

from __future__ import annotations

import itertools
import re
import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.store import naming

SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.prof", re.ASCII)

URLS = [
    "",
    "/",
    "/" + "a" * 300,
    "/" + "a/" * 300,
    "/%00",
    "/\0",
    "/../../../etc/passwd",
    "/..",
    "/...",
    "//etc/passwd",
    "/.hidden",
    "/a\nb\r\nc",
    "/\N{PILE OF POO}/\N{GREEK SMALL LETTER ALPHA}",
    "/\udcff\ud800",
    "/-rf",
    "/C:\\Windows\\..\\x",
    "/~root/$HOME/`id`",
    "/x.prof",
    "/_/__/_",
]
METHODS = [
    "GET",
    "",
    "G" * 500,
    "../x",
    "M-SEARCH",
    "G_E_T",
    "a.b",
    "\N{LATIN SMALL LETTER SHARP S}",
]


quick = settings(deadline=None, max_examples=60)


def request(**facts: Any) -> Request:
    given_facts: dict[str, Any] = {"id": "0123456789ab", "start": 1_700_000_000.5, **facts}
    return Request(**given_facts)


def check(name: str) -> None:
    assert len(name.encode("ascii")) <= naming.MAX_NAME
    assert SAFE.fullmatch(name), name


texts = st.text(max_size=400)
requests = st.builds(
    request,
    id=st.text("0123456789abcdef", min_size=12, max_size=12),
    method=texts,
    path=st.none() | texts,
    route=st.none() | texts,
    status=st.none() | st.integers(0, 9999),
    exception=st.none() | texts,
    start=st.floats(0, 253402300799),
    duration=st.floats(0, 1e9),
)


@quick
@given(requests)
def test_a_name_is_safe_short_and_known_again_whatever_the_request_holds(made: Request) -> None:
    name = naming.name(made)
    check(name)
    assert naming.is_default(name)
    assert name.endswith(f"_{made.id}.prof")


@pytest.mark.parametrize("url", URLS)
def test_urls_and_methods_that_break_names_elsewhere(url: str) -> None:
    for method, field in itertools.product(METHODS, ("path", "route")):
        name = naming.name(request(method=method, status=200, **{field: url}))
        check(name)
        assert naming.is_default(name)


def test_a_name_tells_its_request() -> None:
    made = request(method="get", path="/users/7", route="/users/{id}", status=404, duration=0.0123)
    assert naming.name(made) == (
        "20231114T221320.500000Z_0000012300us_GET_404_users-id_0123456789ab.prof"
    )


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ({"status": None}, "_none_"),
        ({"status": None, "exception": "KeyError"}, "_exc_"),
        ({"status": 500, "exception": "KeyError"}, "_500_"),
        ({"path": "/"}, "_root_"),
        ({"path": None}, "_unknown_"),
        ({"path": "/secret", "route": "/{key}"}, "_key_"),
        ({"path": "/\N{SNOWMAN}"}, "__0123456789ab"),
        ({"method": ""}, "us_-_"),
    ],
)
def test_a_fact_that_is_missing_leaves_no_gap_that_breaks_the_name(
    facts: dict[str, Any], part: str
) -> None:
    name = naming.name(request(**facts))
    assert part in name
    assert naming.is_default(name)


@quick
@given(requests, st.text("0123456789abcdef", min_size=12, max_size=12))
def test_requests_alike_but_for_the_id_have_different_names(made: Request, other: str) -> None:
    same = made.id == other
    assert (naming.name(made) == naming.name(replace(made, id=other))) is same


@quick
@given(st.lists(requests, max_size=8))
def test_names_sort_by_time(many: list[Request]) -> None:
    in_order = sorted(many, key=naming.name)
    starts = [datetime.fromtimestamp(made.start, UTC) for made in in_order]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x.prof",
        "GET.users.12ms.1700000000.prof",
        "20231114T221320.500000Z_0000012300us_GET_404_users_0123456789ab.prof.bak",
        "20231114T221320.500000Z_0000012300us_GET_404_users_0123456789ab.prof\n",
        "a20231114T221320.500000Z_0000012300us_GET_404_users_0123456789ab.prof",
        "20231114T221320.500000Z_0000012300us_GET_404_us/rs_0123456789ab.prof",
        "20231114T221320.500000Z_0000012300us_GET_404_users_0123456789AB.prof",
        "\N{ARABIC-INDIC DIGIT TWO}0231114T221320.500000Z_0000012300us_GET_404_u_0123456789ab.prof",
    ],
)
def test_other_names_are_not_taken_for_ours(name: str) -> None:
    assert not naming.is_default(name)


class TestTemplates:
    """What a user's ``filename_format`` makes."""

    @quick
    @given(requests, st.text(max_size=200))
    def test_its_own_text_never_leaves_the_folder(self, made: Request, text: str) -> None:
        literal = text.replace("{", "{{").replace("}", "}}")
        check(naming.from_template(literal, made))
        check(naming.safe(text))

    @quick
    @given(
        requests,
        st.lists(st.sampled_from([*naming.PLACEHOLDERS, "elapsed:.3f", "time:.0f"]), max_size=6),
        st.sampled_from(["", "/", "../", ".", "\0", "\n", "-"]),
    )
    def test_nor_do_its_placeholders_make_a_hidden_file(
        self, made: Request, words: list[str], glue: str
    ) -> None:
        check(naming.from_template(glue + glue.join(f"{{{word}}}" for word in words), made))

    @pytest.mark.parametrize("url", URLS)
    def test_nor_does_the_url(self, url: str) -> None:
        for template in ("{path}", "{url}", ".{path}", "../{path}", "/{url}.prof"):
            check(naming.from_template(template, request(path=url)))

    def test_werkzeugs_and_flameprofs_placeholders(self) -> None:
        made = request(method="PUT", path="/a/b/", start=1000.25, duration=0.0421)
        werkzeugs = "{method}.{path}.{elapsed:.0f}ms.{time:.2f}.prof"
        flameprofs = "{method}.{url}.{ts}.{duration}ms"
        assert naming.from_template(werkzeugs, made) == "PUT.a.b.42ms.1000.29.prof"
        assert naming.from_template(flameprofs, made) == "PUT.a.b.1000250.42ms.prof"
        assert naming.from_template("{path}-{url}", request(path="/")) == "root-root.prof"

    def test_a_path_that_is_not_stored_is_not_in_the_name(self) -> None:
        assert naming.from_template("{path}", request(path=None, route="/u/{id}")) == "u.-id.prof"
        assert naming.from_template("{url}", request(path=None)) == "unknown.prof"

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("", "profile.prof"),
            (".prof", "profile.prof"),
            ("..", "profile.prof"),
            ("...prof", "profile.prof"),
            ("x.prof", "x.prof"),
            ("x.prof.prof", "x.prof.prof"),
            ("x.svg", "x.svg.prof"),
            ("a b/c", "a-b-c.prof"),
            ("x" * 300, "x" * 115 + ".prof"),
            ("x" * 114 + ".y", "x" * 114 + ".prof"),
        ],
    )
    def test_a_text_made_safe(self, text: str, name: str) -> None:
        assert naming.safe(text) == name

    @quick
    @given(requests, texts)
    def test_a_taken_name_gets_the_id_and_stays_safe(self, made: Request, text: str) -> None:
        name = naming.with_id(naming.safe(text), made)
        check(name)
        assert name.endswith(f".{made.id}.prof")

    @pytest.mark.parametrize(
        "template",
        [
            "{}",
            "{0}",
            "{nothing}",
            "{method",
            "{elapsed:q}",
            "{method.nothing}",
            "{path[9]}",
            "{ts!z}",
        ],
    )
    def test_one_that_cannot_be_filled_in_is_refused_with_what_could_stand_there(
        self, template: str
    ) -> None:
        with pytest.raises(ValueError, match=r"it knows \{method\}, \{path\}") as caught:
            naming.check_template(template)
        assert repr(template) in str(caught.value)

    @pytest.mark.parametrize(
        "template", ["", "plain", "{{}}", *(f"{{{w}}}" for w in naming.PLACEHOLDERS)]
    )
    def test_one_that_can_is_taken(self, template: str) -> None:
        naming.check_template(template)
        check(naming.from_template(template, request(path="/", method="GET")))

    def test_every_placeholder_is_a_word(self) -> None:
        assert all(set(word) <= set(string.ascii_lowercase) for word in naming.PLACEHOLDERS)

"""The filters, as a table of which request passes which."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from reqprof.cli.select import Wanted, filters

from .making import NOON, request

REQUEST = request(
    method="POST",
    path="/users/17",
    route="/users/{id}",
    status=404,
    start=NOON,
    duration=0.25,
    kept="worst",
    labels={"release": "1.2", "tenant": "x=y"},
)
RAISED = request(status=None, exception="ValueError", kind="job", method="", path=None, route=None)


def chosen(*options: str) -> Wanted:
    """What the options make of it on a command of their own."""
    seen: list[Wanted] = []

    @click.command()
    @filters
    def command(wanted: Wanted) -> None:
        seen.append(wanted)

    result = CliRunner().invoke(command, options)
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("options", "takes"),
    [
        ([], True),
        (["--route", "/users/{id}"], True),
        (["--route", "/users/17"], True),
        (["--route", "/users/*"], True),
        (["--route", "/u*s/?7"], True),
        (["--route", "~/users/{id}"], True),
        (["--route", "/users"], False),
        (["--route", "/orders/*"], False),
        (["--route", "/orders/*", "--route", "/users/*"], True),
        (["--method", "post"], True),
        (["--method", "GET"], False),
        (["--method", "GET", "--method", "POST"], True),
        (["--status", "404"], True),
        (["--status", "4xx"], True),
        (["--status", "400-403"], False),
        (["--status", "500"], False),
        (["--status", "500", "--status", "404"], True),
        (["--status", "error"], False),
        (["--slower-than", "249ms"], True),
        (["--slower-than", "0.25"], False),
        (["--since", "2026-07-01T12:00"], True),
        (["--since", "2026-07-01T12:00:01"], False),
        (["--until", "2026-07-01T12:00"], True),
        (["--until", "2026-07-01T11:59:59"], False),
        (["--since", "2026-07-01", "--until", "2026-07-02"], True),
        (["--kind", "http"], True),
        (["--kind", "websocket"], False),
        (["--kind", "websocket", "--kind", "http"], True),
        (["--kept", "worst"], True),
        (["--kept", "baseline"], False),
        (["--kept", "baseline", "--kept", "worst"], True),
        (["--label", "release=1.2"], True),
        (["--label", "release=1.3"], False),
        (["--label", "tenant=x=y"], True),
        (["--label", "nosuch=1"], False),
        (["--label", "release=1.2", "--label", "tenant=z"], False),
        (["--method", "POST", "--status", "200"], False),
    ],
)
def test_a_request_passes_when_it_fits_every_filter(options: list[str], takes: bool) -> None:
    wanted = chosen(*options)

    assert wanted.takes(REQUEST) is takes
    assert wanted.everything is not bool(options)


@pytest.mark.parametrize(
    ("options", "takes"),
    [
        (["--status", "error"], True),
        (["--status", "5xx"], False),
        (["--status", "5xx", "--status", "error"], True),
        (["--route", "*"], False),
        (["--method", "GET"], False),
        (["--kind", "job"], True),
    ],
)
def test_a_request_that_raised_and_has_no_path_is_filtered_too(
    options: list[str], takes: bool
) -> None:
    assert chosen(*options).takes(RAISED) is takes


def test_a_template_that_looks_like_a_glob_is_found_as_it_is_written() -> None:
    django = request(route="^users/(?P<id>[0-9]+)/$", path="/users/1/")

    assert chosen("--route", "^users/(?P<id>[0-9]+)/$").takes(django)


def test_the_filters_can_be_put_in_words() -> None:
    wanted = chosen(
        "--route", "/a", "--route", "/b", "--status", "5xx", "--status", "error",
        "--slower-than", "250ms", "--since", "2026-07-01", "--kept", "slow", "--label", "a=b",
    )  # fmt: skip

    assert str(wanted) == (
        "route /a or /b, status 500-599 or error, slower than 250ms,"
        " since 2026-07-01T00:00:00Z, kept for slow, label a=b"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--slower-than", "fast"], "'fast' is no duration; write 250ms"),
        (["--since", "soon"], "'soon' is no time; write how long ago"),
        (["--status", "wrong"], "'wrong' is no status; write 500, 5xx"),
        (["--label", "release"], "'release' is no label; write key=value"),
        (["--label", "=1"], "'=1' is no label; write key=value"),
        (["--kind", "smoke"], "'smoke' is not one of"),
        (["--kept", "smoke"], "'smoke' is not one of"),
        (["--since", "1h", "--until", "2h"], "--since is later than --until"),
    ],
)
def test_a_wrong_filter_is_a_usage_error_that_tells_what_to_write(
    options: list[str], message: str
) -> None:
    @click.command()
    @filters
    def command(wanted: Wanted) -> None: ...

    result = CliRunner().invoke(command, options)

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())

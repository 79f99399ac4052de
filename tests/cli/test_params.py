"""What a person types for durations, times and statuses."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.cli.params import (
    ERROR,
    Statuses,
    format_duration,
    format_moment,
    parse_moment,
    parse_statuses,
)
from reqprof.durations import UNITS, parse_duration

NOW = 1782907200.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2m", 120),
        ("3", 3),
        ("0.5", 0.5),
        (".5s", 0.5),
        ("1m30s", 90),
        ("1h 30m", 5400),
        ("2 min", 120),
        ("1d", 86400),
        ("1w", 604800),
        ("800us", 0.0008),
        ("800µs", 0.0008),
        ("800μs", 0.0008),
        (" 250 MS ", 0.25),
        ("0", 0),
    ],
)
def test_a_duration_is_a_number_with_a_unit_or_plain_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ms",
        "-5ms",
        "1x",
        "1.2.3s",
        "nan",
        "inf",
        "1e3",
        "250ms!",
        "\u0661s",
        "5 m s",
        "9" * 400,
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


@given(st.floats(min_value=0, max_value=1e9), st.sampled_from(sorted(UNITS)))
def test_every_number_with_every_unit_is_a_duration(number: float, unit: str) -> None:
    assert parse_duration(f"{number:f}{unit}") == pytest.approx(float(f"{number:f}") * UNITS[unit])


@given(st.floats(min_value=0, max_value=1e6))
def test_a_duration_as_printed_can_be_typed_back(seconds: float) -> None:
    text = format_duration(seconds)

    assert parse_duration(text) == pytest.approx(seconds, rel=0.009, abs=5.1e-6)


@given(st.floats(min_value=1e-5, max_value=1e5))
def test_a_longer_duration_never_prints_as_a_shorter_one(seconds: float) -> None:
    longer = seconds * 1.01

    assert parse_duration(format_duration(longer)) >= parse_duration(format_duration(seconds))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00ms"),
        (0.0008, "0.80ms"),
        (0.00999, "9.99ms"),
        (0.009996, "10.0ms"),
        (0.2501, "250ms"),
        (0.9994, "999ms"),
        (0.9996, "1.00s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3600, "1h00m"),
        (90000, "25h00m"),
    ],
)
def test_durations_print_with_three_digits(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", NOW - 600),
        ("2h", NOW - 7200),
        ("1d", NOW - 86400),
        ("1h30m", NOW - 5400),
        ("999999d", 0),
        ("2026-07-01T12:00", NOW),
        ("2026-07-01 12:00:00", NOW),
        ("2026-07-01T12:00:00Z", NOW),
        ("2026-07-01T14:00:00+02:00", NOW),
        ("2026-07-01", NOW - 43200),
        ("20260701", NOW - 43200),
        ("2026-07-01T12:00:00.500", NOW + 0.5),
    ],
)
def test_a_time_is_an_age_or_iso_and_utc_without_a_zone(text: str, moment: float) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "10", "yesterday", "2026-13-01", "-10m", "10mm", "2026-07-01T"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write how long ago"):
        parse_moment(text, NOW)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1)),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_every_iso_time_is_understood(naive: datetime, offset: int) -> None:
    zoned = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))

    assert parse_moment(naive.isoformat()) == naive.replace(tzinfo=UTC).timestamp()
    assert parse_moment(zoned.isoformat()) == zoned.timestamp()


@given(st.integers(min_value=0, max_value=253402300799))
def test_a_time_as_printed_can_be_typed_back(moment: int) -> None:
    assert parse_moment(format_moment(moment)) == moment


@given(st.text(max_size=12))
def test_no_text_does_worse_than_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_moment, parse_statuses):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert isinstance(value, Statuses) or math.isfinite(value)


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("500", Statuses(500, 500)),
        ("5xx", Statuses(500, 599)),
        ("4XX", Statuses(400, 499)),
        ("400-499", Statuses(400, 499)),
        ("error", ERROR),
    ],
)
def test_a_status_is_a_number_a_hundred_a_range_or_error(text: str, statuses: Statuses) -> None:
    assert parse_statuses(text) == statuses


@pytest.mark.parametrize(
    "text", ["", "50", "5000", "xxx", "0xx", "500-400", "500-", "5x", "Error!"]
)
def test_anything_else_is_no_status(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no status|high to low"):
        parse_statuses(text)

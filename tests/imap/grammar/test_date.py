"""Dates and moments."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.date import (
    date_time_bytes,
    date_times_bytes,
    parse_date,
    parse_date_time,
    write_date,
)


@pytest.mark.parametrize("data", [b"1-Feb-1994", b"01-feb-1994", b'"1-FEB-1994"'])
def test_a_date(data: bytes) -> None:
    """RFC 9051 §9 date."""
    cur = Cursor(data)
    assert parse_date(cur) == date(1994, 2, 1)
    cur.end()


@pytest.mark.parametrize(
    "data", [b"", b"30-Feb-1994", b"1-Foo-1994", b"1-Feb-94", b'"1-Feb-1994', b"0-Feb-1994", b"1-Feb-0000"]
)
def test_what_is_no_date(data: bytes) -> None:
    """The calendar counts."""
    with pytest.raises(SyntaxProblem):
        parse_date(Cursor(data))


@pytest.mark.parametrize(
    ("data", "moment"),
    [
        (b'"17-Jul-1996 02:44:25 -0700"', 837596665),  # RFC 9051 §7.5.2
        (b'" 1-Jan-1970 00:00:00 +0000"', 0),
        (b'"01-Jan-1970 01:30:00 +0130"', 0),
        (b'"31-Dec-1969 23:59:59 +0000"', -1),
        (b'"31-Dec-2016 23:59:60 +0000"', 1483228800),
        (b'"31-Dec-9999 23:59:59 +0000"', 253402300799),
        (b'"01-Jan-0001 00:00:00 +0000"', -62135596800),
    ],
)
def test_a_moment(data: bytes, moment: int) -> None:
    """RFC 9051 §9 date-time, in seconds since 1970 UTC."""
    cur = Cursor(data)
    assert parse_date_time(cur) == moment
    cur.end()


@pytest.mark.parametrize(
    "data",
    [
        *(b'"1-Jan-1970 00:00:00 +0000"', b'" 1-Jan-1970 24:00:00 +0000"', b'" 1-Jan-1970 00:60:00 +0000"'),
        *(b'"32-Jan-1970 00:00:00 +0000"', b'" 1-Jan-1970 00:00:00"', b'" 1-Jan-1970 00:00:00 +0060"'),
        *(b'"31-Dec-9999 23:59:59 -0001"', b'"01-Jan-0001 00:00:00 +0001"'),  # no year of four digits in UTC
    ],
)
def test_what_is_no_moment(data: bytes) -> None:
    """Strictly: the day has two places, the zone is there; and INTERNALDATE must be able to say it in UTC."""
    with pytest.raises(SyntaxProblem):
        parse_date_time(Cursor(data))


def test_a_day_of_one_digit_is_a_quirk() -> None:
    """Seen from servers."""
    assert parse_date_time(Cursor(b'"1-Jan-1970 00:00:00 +0000"', LENIENT)) == 0


def test_moments_are_written_in_utc() -> None:
    """Day in two places, zone +0000."""
    assert date_time_bytes(837596665) == b'"17-Jul-1996 09:44:25 +0000"'
    assert date_time_bytes(0) == b'" 1-Jan-1970 00:00:00 +0000"'
    out = Writer()
    write_date(out, date(994, 3, 7))
    assert out.data() == b"7-Mar-0994"
    for moment in [-(2**40), 2**40]:
        with pytest.raises(Unwritable):
            date_time_bytes(moment)


MOMENTS = [-62_135_596_800, -86_401, -86_400, -1, 0, 59, 60, 3_599, 3_600, 86_399, 86_400, 951_868_799, 253_402_300_799]
"""Where seconds, minutes, hours, days and years end."""


def test_every_moment_is_written_as_the_calendar_has_it() -> None:
    """One alone and many, the same several times, and read back."""
    for moment in MOMENTS:
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)
        month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[day.month - 1]
        expected = f'"{day.day:2d}-{month}-{day.year:04d} {day:%H:%M:%S} +0000"'.encode()
        assert date_time_bytes(moment) == expected
        assert parse_date_time(Cursor(expected)) == moment
        assert date_times_bytes([moment] * 3) == [expected] * 3
    assert date_times_bytes([*MOMENTS, 0, 0]) == [date_time_bytes(moment) for moment in [*MOMENTS, 0, 0]]
    assert date_times_bytes([]) == []

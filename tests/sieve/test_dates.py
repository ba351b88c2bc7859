import pytest

from mailhorn.sieve.dates import PARTS, Moment, of_instant, parse, std11


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Tue, 1 Apr 1997 09:06:31 -0800 (PST)", "1997-04-01T09:06:31-08:00"),
        ("1 Apr 97 09:06 EST", "1997-04-01T09:06:00-05:00"),
        ("from a by b; Mon, 26 Feb 2007 16:00:01 +0200", "2007-02-26T16:00:01+02:00"),
        ("Thu, 31 Dec 1998 23:59:60 +0000", "1998-12-31T23:59:60Z"),
        ("Thu, 31 Dec 1998 23:59:59 MILITARY", None),
        ("Sat, 29 Feb 2003 10:00:00 +0000", None),
        ("32 Jan 2003 10:00:00 +0000", None),
        ("1 Foo 2003 10:00:00 +0000", None),
        ("1 Jan 2003 24:00:00 +0000", None),
        ("", None),
        ("(" * 5000, None),
    ],
)
def test_dates_of_fields(field: str, expected: str | None) -> None:
    """RFC 5322 §3.3 and §4.3, at the end of a field as well (RFC 5260 §4); what is no date is none."""
    moment = parse(field)
    assert (None if moment is None else PARTS["iso8601"](moment)) == expected


def test_moving_between_zones() -> None:
    """The day may change; there are days that no calendar has."""
    moment = parse("1 Jan 2000 00:30:00 +0100")
    assert moment is not None
    moved = moment.moved(-300)
    assert moved is not None and std11(moved) == "Fri, 31 Dec 1999 18:30:00 -0500"
    assert Moment(1, 0, 0).moved(-60) is None


def test_seconds_since_1970() -> None:
    """The zone only says where the date is read."""
    assert PARTS["iso8601"](of_instant(0, 0)) == "1970-01-01T00:00:00Z"
    assert PARTS["julian"](of_instant(0, 0)) == "40587"
    assert PARTS["iso8601"](of_instant(-1, 90)) == "1970-01-01T01:29:59+01:30"

"""Dates in header fields, and their parts (RFC 5322 §3.3, RFC 5260 §4). Pure; never fails."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DATE = re.compile(
    r"""
    (?:[a-z]{3}[a-z]*[ \t]*,?[ \t]*)?
    ([0-9]{1,2})[ \t-]+([a-z]{3})[a-z]*[ \t-]+([0-9]{2,4})[ \t]+
    ([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?
    (?:[ \t]*([+-][0-9]{4}|[a-z]{1,5}))?
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_COMMENT = re.compile(r"\([^()]*+\)")
_ZONES = {"est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420}
_ZONE = re.compile(r"[+-][0-9]{4}")
_EPOCH = date(1970, 1, 1).toordinal()
_MODIFIED_JULIAN = date(1858, 11, 17).toordinal()
LONGEST = 1000
"""Characters of a field that are looked at, from its end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """
    A date and time as it is written somewhere.

    Attributes:
        day: The day, counted as `date.toordinal` does.
        second: Seconds since midnight; 86400 for a leap second.
        zone: Minutes east of UTC.

    """

    day: int
    second: int
    zone: int

    def moved(self, zone: int) -> "Moment | None":
        """Return the same moment in another zone; None if no calendar has it."""
        if zone == self.zone:
            return self  # a leap second is none elsewhere
        day, second = divmod(self.second + (zone - self.zone) * 60, 86400)
        day += self.day
        return Moment(day, second, zone) if 1 <= day <= date.max.toordinal() else None


def of_instant(seconds: int, zone: int) -> Moment:
    """Return the moment that is so many seconds after 1970 began, in a zone."""
    day, second = divmod(seconds + zone * 60, 86400)
    return Moment(min(max(_EPOCH + day, 1), date.max.toordinal()), second, zone)


def zone_minutes(text: str) -> int | None:
    """time-zone = ( "+" / "-" ) 4DIGIT (RFC 5260 §4.1); None if it is none."""
    if not _ZONE.fullmatch(text):
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return -minutes if text[0] == "-" else minutes


def parse(field: str) -> Moment | None:
    """
    Return the date of a header field: all of it, or what comes after its last semicolon (RFC 5260 §4).

    None if there is none, or if there is no such day.
    """
    text = field[-LONGEST:].rpartition(";")[2]
    for _ in range(3):  # comments nest, but not deeply in a date
        text = _COMMENT.sub(" ", text)
    found = _DATE.fullmatch(text.strip())
    if found is None or found[2].lower() not in _MONTHS:
        return None
    year = int(found[3])
    if len(found[3]) < 4:  # RFC 5322 §4.3
        year += 2000 if year < 50 and len(found[3]) == 2 else 1900
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    zone = found[7] or "-0000"
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        day = date(year, _MONTHS.index(found[2].lower()) + 1, int(found[1])).toordinal()
    except ValueError:
        return None
    minutes = zone_minutes(zone)
    return Moment(day, hour * 3600 + minute * 60 + second, _ZONES.get(zone.lower(), 0) if minutes is None else minutes)


def _zone(moment: Moment) -> str:
    hours, minutes = divmod(abs(moment.zone), 60)
    return f"{'-' if moment.zone < 0 else '+'}{hours:02}{minutes:02}"


def _iso8601(moment: Moment) -> str:
    zone = _zone(moment)
    return f"{_day(moment)}T{_time(moment)}{'Z' if moment.zone == 0 else zone[:3] + ':' + zone[3:]}"


def _day(moment: Moment) -> str:
    return date.fromordinal(moment.day).isoformat()


def _clock(moment: Moment) -> tuple[int, int, int]:
    hour, rest = divmod(min(moment.second, 86399), 3600)
    return hour, rest // 60, rest % 60 + max(moment.second - 86399, 0)


def _time(moment: Moment) -> str:
    return "{:02}:{:02}:{:02}".format(*_clock(moment))


def std11(moment: Moment) -> str:
    """Return it as in a Date field (RFC 5322 §3.3)."""
    day = date.fromordinal(moment.day)
    month = _MONTHS[day.month - 1].capitalize()
    return f"{_DAYS[day.weekday()]}, {day.day:02} {month} {day.year:04} {_time(moment)} {_zone(moment)}"


PARTS: dict[str, Callable[[Moment], str]] = {
    "year": lambda moment: f"{date.fromordinal(moment.day).year:04}",
    "month": lambda moment: f"{date.fromordinal(moment.day).month:02}",
    "day": lambda moment: f"{date.fromordinal(moment.day).day:02}",
    "date": _day,
    "julian": lambda moment: str(moment.day - _MODIFIED_JULIAN),
    "hour": lambda moment: f"{_clock(moment)[0]:02}",
    "minute": lambda moment: f"{_clock(moment)[1]:02}",
    "second": lambda moment: f"{_clock(moment)[2]:02}",
    "time": _time,
    "iso8601": _iso8601,
    "std11": std11,
    "zone": _zone,
    "weekday": lambda moment: str((date.fromordinal(moment.day).weekday() + 1) % 7),
}
"""The parts of a date (RFC 5260 §4.2)."""

"""date and date-time; in the program a moment is seconds since 1970, UTC (RFC 9051 §9)."""

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from .cursor import Cursor, Unwritable, Writer

_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_NUMBERS: Final = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_MONTH = rb"-([A-Za-z]{3})-"
_DATE = re.compile(rb'(")?([0-9]{1,2})' + _MONTH + rb'([0-9]{4})(?(1)")')
_TIME = _MONTH + rb'([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
_DATE_TIME = re.compile(rb'"( [0-9]|[0-9]{2})' + _TIME)
_DATE_TIME_LOOSE = re.compile(rb'" *([0-9]{1,2})' + _TIME)
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400
_LATEST: Final = (date.max.toordinal() - _EPOCH + 1) * _DAY - 1
_EARLIEST: Final = (date.min.toordinal() - _EPOCH) * _DAY


def parse_date(cur: Cursor) -> date:
    """
    date = date-text / DQUOTE date-text DQUOTE; date-text = date-day "-" date-month "-" date-year

    RFC 9051 §9.
    """
    start = cur.pos
    found = cur.need(_DATE, "a date")
    try:
        return date(int(found[4]), _NUMBERS[found[3].lower()], int(found[2]))
    except (ValueError, KeyError):
        cur.pos = start
        raise cur.fails("a date of the calendar") from None


def write_date(out: Writer, value: date) -> None:
    """Write a date without quotes."""
    out.write(b"%d-%s-%04d" % (value.day, _MONTHS[value.month - 1], value.year))


def parse_date_time(cur: Cursor) -> int:
    """
    date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE

    RFC 9051 §9, §2.3.3. Second 60 is the next minute's first, as POSIX counts.
    """
    start = cur.pos
    found = cur.need(_DATE_TIME_LOOSE if cur.dialect.loose_values else _DATE_TIME, "a date and time")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    try:
        days = date(int(year), _NUMBERS[month.lower()], int(day)).toordinal() - _EPOCH
        if int(hour) > 23 or int(minute) > 59 or int(second) > 60 or int(zone_minutes) > 59:
            raise ValueError("no such time")
    except (ValueError, KeyError):
        cur.pos = start
        raise cur.fails("a date of the calendar and a time of the clock") from None
    east = int(zone_hours) * 3600 + int(zone_minutes) * 60
    local = days * _DAY + int(hour) * 3600 + int(minute) * 60 + int(second)
    moment = local + east if sign == b"-" else local - east
    if not _EARLIEST <= moment <= _LATEST:
        cur.pos = start
        raise cur.fails("a year of four digits, in UTC too")
    return moment


def write_date_time(out: Writer, value: int) -> None:
    """Write seconds since 1970 as a date-time in UTC, zone +0000."""
    out.write(date_time_bytes(value))


def date_time_bytes(value: int) -> bytes:
    """Return seconds since 1970 as a date-time in UTC with its quotes, ready to send."""
    if not _EARLIEST <= value <= _LATEST:
        raise Unwritable("a year beyond four digits")
    minutes = value // 60
    hours = minutes // 60
    return _day_bytes(hours // 24) + _HOURS[hours % 24] + _MINUTES[minutes % 60] + _SECONDS[value % 60]


def date_times_bytes(values: Sequence[int]) -> list[bytes]:
    """Return the same of many; what came together has the same date, which is made once."""
    different = set(values)
    if len(different) == 1:
        return [date_time_bytes(values[0])] * len(values)
    known = {value: date_time_bytes(value) for value in different}
    return [known[value] for value in values]


_HOURS: Final = [b" %02d:" % hour for hour in range(24)]
_MINUTES: Final = [b"%02d:" % minute for minute in range(60)]
_SECONDS: Final = [b'%02d +0000"' % second for second in range(60)]


@lru_cache(maxsize=1024)
def _day_bytes(days: int) -> bytes:
    """Return a day, counted from 1970, behind a quote; messages of one day stand together."""
    day = date.fromordinal(days + _EPOCH)
    return b'"%2d-%s-%04d' % (day.day, _MONTHS[day.month - 1], day.year)

"""
date: the dates in header fields, and now (RFC 5260 §4, §5).

Adds: date [:zone <time-zone: string> / :originalzone] [COMPARATOR] [MATCH-TYPE] <header: string> <part: string> <keys>,
      currentdate [:zone <time-zone: string>] [COMPARATOR] [MATCH-TYPE] <part: string> <keys: string-list>
"""

from collections.abc import Callable

from ..dates import PARTS, Moment, of_instant, parse, zone_minutes
from ..errors import SieveRuntimeError
from ..fields import chosen
from ..language import Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Test
from ..questions import Now
from ..run import Run, values_of
from ..text import Text

_NO_VALUES: tuple[str, ...] = ()


def _zone(call: Call) -> Callable[[Run, int], int]:
    """Return what says in which zone to look, in minutes; its second argument is the zone that was written."""
    text = call.tag_text("zone")
    if call.choice("zone", "") == "originalzone":
        return lambda run, original: original
    if text is None:
        call.inventory.questions.add(Now())
        return lambda run, original: run.answer(Now()).zone
    line = call.line
    wrong = 'a time zone is written as "+0100" or "-0500"'
    if text.constant is not None:
        minutes = zone_minutes(text.constant)
        if minutes is None:
            raise call.tag_error("zone", wrong)
        return lambda run, original: minutes

    def now(run: Run, original: int) -> int:
        found = zone_minutes(text.value(run))
        if found is None:
            raise SieveRuntimeError(line, wrong)
        return found

    return now


def _part(call: Call, index: int) -> Callable[[Run, Moment], str]:
    """Return what takes the part of a date that the argument names."""
    text: Text = call.text(index)
    line = call.line
    known = ", ".join(PARTS)
    if text.constant is not None:
        part = PARTS.get(text.constant.lower())
        if part is None:
            raise call.error(f'"{text.constant[:40]}" is no part of a date; known are {known}', index)
        return lambda run, moment: part(moment)

    def now(run: Run, moment: Moment) -> str:
        found = PARTS.get(text.value(run).lower())
        if found is None:
            raise SieveRuntimeError(line, f"this is no part of a date; known are {known}")
        return found(moment)

    return now


def _date(call: Call) -> Test:
    """Of several fields the first one counts; false if there is no valid date (RFC 5260 §4)."""
    values = chosen(call, 0, structured=True)
    zone, part = _zone(call), _part(call, 1)
    with_keys = matcher(call, call.texts(2))

    def test(run: Run) -> bool:
        written = None
        for _, value in values(run)[:1]:
            written = parse(value)
        moment = written.moved(zone(run, written.zone)) if written is not None else None
        texts = _NO_VALUES if moment is None else (part(run, moment),)
        return with_keys.any(run, (values_of(texts, with_keys.comparator),))

    return test


def _currentdate(call: Call) -> Test:
    """The point in time is the same in all of a script (RFC 5260 §5)."""
    call.inventory.questions.add(Now())
    zone, part = _zone(call), _part(call, 0)
    with_keys = matcher(call, call.texts(1))

    def test(run: Run) -> bool:
        now = run.answer(Now())
        text = part(run, of_instant(now.seconds, zone(run, now.zone)))
        return with_keys.any(run, (values_of((text,), with_keys.comparator),))

    return test


_ZONE = (Tagged("zone", "zone", Takes.STRING),)

EXTENSION: Extension = Extension(
    "date",
    tests=(
        TestWord(
            "date",
            "date [:zone <zone> / :originalzone] [:comparator <name>] [:is / :contains / ...] <field> <part> <keys>",
            _date,
            (Takes.STRING, Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE, *_ZONE, Tagged("originalzone", "zone")),
        ),
        TestWord(
            "currentdate",
            "currentdate [:zone <zone>] [:comparator <name>] [:is / :contains / :matches] <part> <keys>",
            _currentdate,
            (Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE, *_ZONE),
        ),
    ),
    asks=frozenset({"now"}),
    rfc="RFC 5260 §4",
)

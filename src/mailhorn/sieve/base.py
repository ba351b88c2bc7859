"""
The words every script may use (RFC 5228 §3 to §5).

The control commands require, if, elsif and else shape the script itself; they are in `check.py`.
"""

from .actions import Redirect
from .address import outbound
from .flags import tagged_flags
from .language import ActionWord, Call, Tagged, Takes, Tests, TestWord
from .match import ADDRESS_PART, COMPARATOR, MATCH_TYPE, any_value, is_field_name
from .program import Step, Test
from .run import Run, Stop

ADDRESS_FIELDS = frozenset(
    "from to cc bcc sender reply-to resent-from resent-to resent-cc resent-bcc resent-sender resent-reply-to"
    " return-path delivered-to envelope-to envelope-from x-original-to errors-to apparently-to"
    " disposition-notification-to return-receipt-to mail-followup-to mail-reply-to original-recipient"
    " x-envelope-to x-envelope-from x-forwarded-to x-forwarded-for abuse-reports-to".split()
)
"""Fields the address test reads; all others are refused (RFC 5228 §5.1: "MUST restrict the address test")."""


def _fields(call: Call, index: int) -> tuple[str, ...]:
    """Return the field names of an argument in lower case, impossible ones left out, and note them."""
    names = tuple(name.lower() for name in call.strings(index) if is_field_name(name))
    call.inventory.headers.update(names)
    return names


def _header(call: Call) -> Test:
    return any_value(call, "header", _fields(call, 0), "", call.strings(1))


def _address(call: Call) -> Test:
    names = _fields(call, 0)
    for name in names:
        if name not in ADDRESS_FIELDS:
            raise call.error(f'the field "{name}" holds no addresses; use header instead of address', 0)
    return any_value(call, "address", names, call.choice("address part", "all"), call.strings(1))


def _exists(call: Call) -> Test:
    names = _fields(call, 0)
    if len(names) < len(call.strings(0)):
        return lambda run: False  # no message has a field with an impossible name
    return lambda run: all(run.has_header(name) for name in names)


def _size(call: Call) -> Test:
    """Exactly one of ":over" or ":under" must be specified (RFC 5228 §5.9)."""
    if not call.has("limit"):
        raise call.error("size needs :over or :under")
    limit = call.number(0)
    call.inventory.size = True
    if call.choice("limit", "over") == "over":
        return lambda run: run.size() > limit
    return lambda run: run.size() < limit


def _allof(call: Call) -> Test:
    tests = call.tests
    return lambda run: all(test(run) for test in tests)


def _anyof(call: Call) -> Test:
    tests = call.tests
    return lambda run: any(test(run) for test in tests)


def _not(call: Call) -> Test:
    test = call.tests[0]
    return lambda run: not test(run)


def _true(call: Call) -> Test:
    return lambda run: True


def _false(call: Call) -> Test:
    return lambda run: False


def _keep(call: Call) -> Step:
    flags, line = tagged_flags(call), call.line
    call.inventory.actions.add("keep")
    return lambda run: run.keep(flags if flags is not None else run.current_flags(), line)


def _discard(call: Call) -> Step:
    line = call.line
    call.inventory.actions.add("discard")
    return lambda run: run.discard(line)


def _redirect(call: Call) -> Step:
    address = outbound(call.string(0))
    if address is None:
        raise call.error('expected one address such as "ann@example.org" or "Ann <ann@example.org>"', 0)
    step = Redirect(address, call.has("copy"), call.line)
    call.inventory.actions.add("redirect")
    return lambda run: run.redirect(step)


def _stop(call: Call) -> Step:
    def stop(run: Run) -> None:
        raise Stop

    return stop


_STRINGS = Takes.STRINGS
_MATCH = "[:comparator <name>] [:is / :contains / :matches]"

TESTS: tuple[TestWord, ...] = (
    TestWord(
        "address",
        f"address [:all / :localpart / :domain] {_MATCH} <headers> <keys>",
        _address,
        (_STRINGS, _STRINGS),
        (*COMPARATOR, *ADDRESS_PART, *MATCH_TYPE),
    ),
    TestWord("allof", "allof (<test>, <test>, ...)", _allof, tests=Tests.LIST),
    TestWord("anyof", "anyof (<test>, <test>, ...)", _anyof, tests=Tests.LIST),
    TestWord("exists", "exists <headers>", _exists, (_STRINGS,)),
    TestWord("false", "false", _false),
    TestWord("header", f"header {_MATCH} <headers> <keys>", _header, (_STRINGS, _STRINGS), (*COMPARATOR, *MATCH_TYPE)),
    TestWord("not", "not <test>", _not, tests=Tests.ONE),
    TestWord(
        "size",
        "size :over / :under <number>",
        _size,
        (Takes.NUMBER,),
        (Tagged("over", "limit"), Tagged("under", "limit")),
    ),
    TestWord("true", "true", _true),
)

ACTIONS: tuple[ActionWord, ...] = (
    ActionWord("keep", "keep;", _keep),
    ActionWord("discard", "discard;", _discard),
    ActionWord("redirect", "redirect <address>;", _redirect, (Takes.STRING,)),
    ActionWord("stop", "stop;", _stop),
)

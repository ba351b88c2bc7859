"""
The words every script may use (RFC 5228 §3 to §5).

The control commands require, if, elsif and else shape the script itself; they are in `check.py`.
"""

from .actions import Redirect
from .address import outbound
from .errors import SieveRuntimeError
from .fields import chosen, field_names, is_plain, mime_option, names_now, places
from .flags import flag_source
from .language import ActionWord, Call, Tagged, Takes, Tests, TestWord
from .listname import list_name
from .match import ADDRESS_PART, COMPARATOR, MATCH_TYPE, any_value, matcher
from .program import Step, Test
from .run import Run, Stop, values_of
from .skip import note_all

ADDRESS_FIELDS = frozenset(
    "from to cc bcc sender reply-to resent-from resent-to resent-cc resent-bcc resent-sender resent-reply-to"
    " return-path delivered-to envelope-to envelope-from x-original-to errors-to apparently-to"
    " disposition-notification-to return-receipt-to mail-followup-to mail-reply-to original-recipient"
    " x-envelope-to x-envelope-from x-forwarded-to x-forwarded-for abuse-reports-to".split()
)
"""Fields the address test reads; all others are refused (RFC 5228 §5.1: "MUST restrict the address test")."""


def _header(call: Call) -> Test:
    names = field_names(call, 0)
    if names is not None and is_plain(call, names):
        return any_value(call, "header", names, "", call.texts(1))
    values = chosen(call, 0, structured=False)
    with_keys = matcher(call, call.texts(1))
    option = mime_option(call)

    def header(run: Run) -> bool:
        found, number = option(run, values(run))
        return with_keys.any(run, (values_of(found, with_keys.comparator)._replace(number=number),))

    return header


def _address(call: Call) -> Test:
    names, has_mime = field_names(call, 0), call.has("mime")
    for name in names or ():
        if not _holds_addresses(name, has_mime):
            raise call.error(f'the field "{name}" holds no addresses; use header instead of address', 0)
    part = call.choice("address part", "all")
    if names is not None and is_plain(call, names):
        return any_value(call, "address", names, part, call.texts(1))
    texts = call.texts(0)
    values = chosen(call, 0, structured=True)
    with_keys = matcher(call, call.texts(1))
    line = call.line

    def address(run: Run) -> bool:
        if names is None:
            for name in names_now(texts, run):
                if not _holds_addresses(name, has_mime):
                    raise SieveRuntimeError(line, f'the field "{name[:80]}" holds no addresses')
        fields = [value for _, value in values(run)]
        return with_keys.any(run, (run.address_values(fields, part, with_keys.comparator, line),))

    return address


def _holds_addresses(name: str, has_mime: bool) -> bool:
    """Say whether a field may be asked for addresses; with `:mime` those of MIME may, too (RFC 5703 §4.2)."""
    return name in ADDRESS_FIELDS or (has_mime and name.startswith("content-"))


def _exists(call: Call) -> Test:
    names = field_names(call, 0)
    texts = call.texts(0)
    where = places(call)
    count = len(texts)

    def exists(run: Run) -> bool:
        wanted = names_now(texts, run) if names is None else names
        found = where(run)
        return len(wanted) == count and all(any(place.structured(name) for place in found) for name in wanted)

    if names is not None and len(names) < count:
        return lambda run: False  # no message has a field with an impossible name
    return exists


def _size(call: Call) -> Test:
    """Exactly one of ":over" or ":under" must be specified (RFC 5228 §5.9)."""
    if not call.has("limit"):
        raise call.error("size needs :over or :under")
    limit, line = call.number(0), call.line
    call.inventory.size = True
    if call.choice("limit", "over") == "over":
        return lambda run: run.size(line) > limit
    return lambda run: run.size(line) < limit


def _allof(call: Call) -> Test:
    tests = call.tests

    def every(run: Run) -> bool:
        for test in tests:
            if not test(run):
                return False
        return True

    first = call.inventory.clues.get(tests[0]) if tests else None  # what comes after it may leave traces of its own
    if first is not None:
        call.inventory.clues[every] = first
    return every


def _anyof(call: Call) -> Test:
    tests = call.tests

    def some(run: Run) -> bool:
        for test in tests:
            if test(run):
                return True
        return False

    note_all(call.inventory.clues, some, tests)
    return some


def _not(call: Call) -> Test:
    test = call.tests[0]
    return lambda run: not test(run)


def always(run: Run) -> bool:
    """Say yes: the test true."""
    return True


def never(run: Run) -> bool:
    """Say no: the test false."""
    return False


def _true(call: Call) -> Test:
    return always


def _false(call: Call) -> Test:
    return never


def _keep(call: Call) -> Step:
    flags, line = flag_source(call), call.line
    call.inventory.actions.add("keep")
    return lambda run: run.keep(flags(run), line)


def _discard(call: Call) -> Step:
    line = call.line
    call.inventory.actions.add("discard")
    return lambda run: run.discard(line)


def _redirect(call: Call) -> Step:
    text, copy, line = call.text(0), call.has("copy"), call.line
    call.inventory.actions.add("redirect")
    if call.has("list"):  # RFC 6134 §2.3: the address is the name of a list
        return lambda run: run.redirect(Redirect("", copy, line, run.made_to_send(), list_name(text.value(run))))
    wrong = 'expected one address such as "ann@example.org" or "Ann <ann@example.org>"'
    fixed = None if text.constant is None else outbound(text.constant)
    if text.constant is not None and fixed is None:
        raise call.error(wrong, 0)

    def redirect(run: Run) -> None:
        address = outbound(text.value(run)) if fixed is None else fixed
        if address is None:
            raise SieveRuntimeError(line, wrong)
        run.redirect(Redirect(address, copy, line, run.made_to_send()))

    return redirect


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

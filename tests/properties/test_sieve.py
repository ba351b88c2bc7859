"""What holds for every script, every message and every pattern."""

from collections.abc import Sequence
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailhorn.sieve import ALL, Actions, HeaderFacts, Need, SieveError, compile_script, evaluate
from mailhorn.sieve.address import addresses, envelope_address, outbound
from mailhorn.sieve.glob import glob

REQUIRE = "require [" + ", ".join(f'"{name}"' for name in sorted(ALL)) + "];\n"
NAMES = st.sampled_from(["Subject", "From", "To", "X-Spam", "bad name"])
WORDS = st.sampled_from(["", "a", "B", "ab", "a@b", "*a*", "?", "é", "A b"])
MAILBOXES = st.sampled_from(["INBOX", "inbox", "a", "b", "a/ü"])
MATCH = st.sampled_from(["", ":is", ":contains", ":matches", ':comparator "i;octet"'])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _strings(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(values.map(_quoted), min_size=1, max_size=3).map(lambda found: f"[{', '.join(found)}]")
    return values.map(_quoted) | several


ADDRESS_NAMES = st.sampled_from(["From", "To"])
PARTS = st.sampled_from(["", ":all", ":localpart", ":domain"])
LEAVES = st.one_of(
    st.sampled_from(["true", "false", "size :over 100", "size :under 100"]),
    st.builds("header {} {} {}".format, MATCH, _strings(NAMES), _strings(WORDS)),
    st.builds("address {} {} {} {}".format, PARTS, MATCH, _strings(ADDRESS_NAMES), _strings(WORDS)),
    st.builds("envelope {} {} {} {}".format, PARTS, MATCH, _strings(st.sampled_from(["from", "to"])), _strings(WORDS)),
    st.builds("exists {}".format, _strings(NAMES)),
    st.builds("mailboxexists {}".format, _strings(MAILBOXES)),
    st.builds("hasflag {} {}".format, MATCH, _strings(WORDS)),
)


def _more_tests(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(inner, min_size=1, max_size=3).map(", ".join)
    return st.one_of(inner.map("not {}".format), listed.map("allof ({})".format), listed.map("anyof ({})".format))


TESTS = st.recursive(LEAVES, _more_tests, max_leaves=5)
FILE_TAGS = st.sampled_from(["", ":copy", ":create", ':flags "\\\\Seen"'])
ACTIONS = st.one_of(
    st.sampled_from(["keep;", "discard;", "stop;", 'redirect "a@b";', 'redirect :copy "c@d";', 'keep :flags "x y";']),
    st.builds("fileinto {} {};".format, FILE_TAGS, MAILBOXES.map(_quoted)),
    st.builds("{} {};".format, st.sampled_from(["setflag", "addflag", "removeflag"]), _strings(WORDS)),
)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, max_size=3).map(" ".join)
    return st.builds("if {} {{ {} }} elsif {} {{ {} }} else {{ {} }}".format, TESTS, body, TESTS, body, body)


SCRIPTS = st.lists(st.recursive(ACTIONS, _blocks, max_leaves=6), max_size=4).map(
    lambda found: REQUIRE + "\n".join(found)
)
FIELDS = st.lists(st.tuples(NAMES, WORDS), max_size=5)
ENVELOPES = st.fixed_dictionaries({"from": st.lists(WORDS, max_size=1), "to": st.lists(WORDS, max_size=1)})


@settings(max_examples=100, deadline=None)
@given(SCRIPTS, FIELDS, st.sampled_from([0, 100, 200]), ENVELOPES, st.lists(MAILBOXES))
def test_facts_held_back_change_nothing(
    script: str, fields: list[tuple[str, str]], size: int, envelope: dict[str, list[str]], mailboxes: list[str]
) -> None:
    """With nothing at hand at first, and exactly what was needed then, the actions are the same, in one more round."""
    program = compile_script(script)
    at_once = evaluate(program, HeaderFacts(fields, size=size, envelope=envelope, mailboxes=mailboxes))
    assert isinstance(at_once, Actions)
    decision = evaluate(program, HeaderFacts())
    if isinstance(decision, Need):
        assert decision.headers <= program.headers and decision.mailboxes <= program.mailboxes
        need = decision
        fetched = [(name, value) for name, value in fields if name.lower() in need.headers]
        gathered = HeaderFacts(
            fetched,
            only=need.headers,
            size=size if need.size else None,
            envelope={part: envelope[part] for part in need.envelope} if need.envelope else None,
            mailboxes=mailboxes if need.mailboxes else None,
        )
        decision = evaluate(program, gathered)
    assert decision == at_once
    assert isinstance(decision, Actions) and decision.trace == at_once.trace


class Dripping:
    """Facts that give, of all that was needed, only one more with every round."""

    def __init__(self, everything: HeaderFacts) -> None:
        self._everything = everything
        self.allowed: set[str] = set()

    def header(self, name: str) -> Sequence[str] | None:
        return self._everything.header(name) if name in self.allowed else None

    structured = header

    def size(self) -> int | None:
        return self._everything.size() if ":size" in self.allowed else None

    def envelope(self, part: str) -> Sequence[str] | None:
        return self._everything.envelope(part) if f":{part}" in self.allowed else None

    def mailbox_exists(self, name: str) -> bool | None:
        return self._everything.mailbox_exists(name) if f"/{name}" in self.allowed else None


@settings(max_examples=60, deadline=None)
@given(SCRIPTS, FIELDS, ENVELOPES, st.lists(MAILBOXES), st.randoms(use_true_random=False))
def test_facts_may_come_one_by_one(
    script: str, fields: list[tuple[str, str]], envelope: dict[str, list[str]], mailboxes: list[str], random: Random
) -> None:
    """Every round needs less, and the actions are the same whatever the order."""
    program = compile_script(script)
    everything = HeaderFacts(fields, size=100, envelope=envelope, mailboxes=mailboxes)
    known = Dripping(everything)
    decision = evaluate(program, known)
    while isinstance(decision, Need):
        missing = sorted(decision.headers)
        missing += [":size"] * decision.size
        missing += [f":{part}" for part in sorted(decision.envelope)] + [
            f"/{name}" for name in sorted(decision.mailboxes)
        ]
        assert missing and not known.allowed & set(missing)
        known.allowed.add(random.choice(missing))
        decision = evaluate(program, known)
    assert decision == evaluate(program, everything)


PIECES = st.sampled_from(
    ['"', "\\", "/*", "*/", "#", "\r\n", "\n", "\r", "\0", "text:", ".\n", "..", "[", "]", "(", ")", "{", "}", ";", ","]
    + [":", "if", "elsif", "else", "true", "not ", "anyof", "keep", "stop", "require", "fileinto", '"fileinto"', ":is"]
    + ["header", "size", ":over", "10K", "99999999999999999999", "-", '"a"', ' "b" ', "${hex:fc}", "${unicode:DF01}"]
    + ["\ud800", "é", "\ufeff", " ", ":comparator", '"i;octet"', ":flags", "redirect", '"a@b"', "if true {", "}"]
)


def _compiles(text: str) -> bool:
    try:
        compile_script(text)
    except SieveError as error:
        assert error.line >= 1 and error.column >= 1
        assert str(error).encode() and "\x1b" not in str(error)
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(st.text() | st.lists(PIECES, max_size=30).map("".join))
@example('require ["\ud800"];')
@example("text:")
@example('"\\')
@example("/*")
def test_any_text_compiles_or_is_a_sieve_error(text: str) -> None:
    """Nothing else, whatever a network sends; and the error can be printed."""
    _compiles(text)


@settings(max_examples=100, deadline=None)
@given(SCRIPTS, st.data())
def test_a_damaged_script_compiles_or_is_a_sieve_error(script: str, data: st.DataObject) -> None:
    """Close to valid is where checks are forgotten."""
    start = data.draw(st.integers(0, len(script)))
    end = data.draw(st.integers(start, min(len(script), start + 8)))
    _compiles(script[:start] + data.draw(PIECES | st.just("")) + script[end:])


@settings(max_examples=50, deadline=None)
@given(SCRIPTS)
def test_line_ends_make_no_difference(script: str) -> None:
    """CRLF as the RFC wants it, LF as editors write it."""
    message = HeaderFacts([("Subject", "a")], size=1, envelope={}, mailboxes=[])
    crlf, lf = compile_script(script.replace("\n", "\r\n")), compile_script(script)
    assert crlf.headers == lf.headers and evaluate(crlf, message) == evaluate(lf, message)


def _slow_glob(pattern: bytes, value: bytes) -> bool:
    """The definition: one octet after the other, every way tried."""
    reached = {0}
    index = 0
    while index < len(pattern):
        sign = pattern[index : index + 1]
        if sign == b"*":
            reached = set(range(min(reached), len(value) + 1)) if reached else set()
        elif sign == b"?":
            reached = {at + 1 for at in reached if at < len(value)}
        else:
            if sign == b"\\" and index + 1 < len(pattern):
                index += 1
                sign = pattern[index : index + 1]
            reached = {at + 1 for at in reached if value[at : at + 1] == sign}
        index += 1
    return len(value) in reached


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.sampled_from([b"*", b"?", b"a", b"b", b"\\", b"*a", b"?*"]), max_size=8).map(b"".join),
    st.lists(st.sampled_from([b"a", b"b", b"*", b"?", b"\\", b"\n"]), max_size=10).map(b"".join),
)
def test_the_glob_matcher_follows_its_definition(pattern: bytes, value: bytes) -> None:
    """Leftmost is enough: no way is missed, none is invented."""
    assert glob(pattern)(value) is _slow_glob(pattern, value)


SIGNS = st.lists(st.sampled_from(list('()<>,;:@.\\[]" ab\r\n\té\ud800') + ["a@b", "<a@b>", '"x" ']), max_size=20).map(
    "".join
)


@settings(max_examples=400, deadline=None)
@given(st.lists(SIGNS, max_size=20).map("".join) | st.text())
def test_any_field_can_be_read_for_addresses(field: str) -> None:
    """Parts are there both or not at all; what is fit for sending reads back as itself."""
    for address in [*addresses(field), envelope_address(field)]:
        assert (address.local_part is None) == (address.domain is None)
    sendable = outbound(field)
    if sendable is not None:
        assert outbound(sendable) == sendable
        assert sendable.isprintable() and sendable.count("@") >= 1

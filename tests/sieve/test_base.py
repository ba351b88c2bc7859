import pytest
from tests.kit.sieve import MESSAGE_A, MESSAGE_B, decide, facts, holds, outcome

from mailhorn.sieve import Actions, FileInto, Keep, SieveError, compile_script

OTHER = [("From", "field@mouse.example"), ("Subject", "hi")]


@pytest.mark.parametrize(
    ("script", "message", "expected"),
    [
        ("if size :over 500K { discard; }", MESSAGE_A, ["implicit keep"]),
        (
            'require "fileinto"; if header :contains "from" "coyote" { discard; }'
            ' elsif header :contains ["subject"] ["$$$"] { discard; } else { fileinto "INBOX"; }',
            MESSAGE_A,
            ["discard"],
        ),
        (
            'require "fileinto"; if header :contains "from" "coyote" { discard; }'
            ' elsif header :contains ["subject"] ["$$$"] { discard; } else { fileinto "INBOX"; }',
            OTHER,
            ["INBOX"],
        ),
        ('require "fileinto"; if header :contains ["from"] "coyote" { fileinto "INBOX.harassment"; }', MESSAGE_A, None),
        ("if size :under 1M { keep; } else { discard; }", MESSAGE_A, ["keep"]),
        ("if not size :under 1M { discard; }", MESSAGE_A, ["implicit keep"]),
        ('redirect "bart@example.com";', MESSAGE_A, ["bart@example.com"]),
        ('if header :contains ["from"] ["idiot@example.com"] { discard; }', MESSAGE_A, ["implicit keep"]),
        ('if not exists ["From","Date"] { discard; }', OTHER, ["discard"]),
        (
            'if anyof (not exists ["From", "Date"], header :contains "from" "fool@example.com") { discard; }',
            MESSAGE_A,
            ["implicit keep"],
        ),
        ('if header :contains :comparator "i;octet" "Subject" "MAKE MONEY FAST" { discard; }', MESSAGE_B, None),
        ("stop; discard;", MESSAGE_A, ["implicit keep"]),
        ("discard; stop; keep;", MESSAGE_A, ["discard"]),
        ("if true { if true { stop; } discard; } keep;", MESSAGE_A, ["implicit keep"]),
        ("", MESSAGE_A, ["implicit keep"]),
    ],
)
def test_examples_of_the_rfc(script: str, message: list[tuple[str, str]], expected: list[str] | None) -> None:
    """RFC 5228 §2.10.2, §3.1, §3.3, §4, §5: what the text says about its own examples."""
    found = outcome(script, message)
    if expected is None:
        expected = ["INBOX.harassment"] if "harassment" in script else ["implicit keep"]
    assert found == expected


@pytest.mark.parametrize(
    ("message", "address"),
    [(MESSAGE_A, "acm@example.com"), (MESSAGE_B, "postmaster@example.com"), (OTHER, "field@example.com")],
)
def test_exactly_one_branch_is_run(message: list[tuple[str, str]], address: str) -> None:
    """RFC 5228 §3.1."""
    script = """if header :contains ["From"] ["coyote"] { redirect "acm@example.com"; }
        elsif header :contains "Subject" "$$$" { redirect "postmaster@example.com"; }
        else { redirect "field@example.com"; }"""
    assert outcome(script, message) == [address]


EXTENDED = """
    require ["fileinto"];
    if header :is "Sender" "owner-ietf-mta-filters@imc.org" { fileinto "filter"; }
    elsif address :DOMAIN :is ["From", "To"] "example.com" { keep; }
    elsif anyof (NOT address :all :contains ["To", "Cc", "Bcc"] "me@example.com",
                 header :matches "subject" ["*make*money*fast*", "*university*dipl*mas*"]) { fileinto "spam"; }
    else { fileinto "personal"; }
"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ([("Sender", "owner-ietf-mta-filters@imc.org")], "filter"),
        ([("From", "Boss <boss@EXAMPLE.com>")], "keep"),
        ([("To", "someone@example.org")], "spam"),
        ([("To", "me@example.com.invalid"), ("Subject", "Make Money Very Fast!")], "spam"),
        ([("To", "me@example.com.invalid"), ("Subject", "lunch")], "personal"),
    ],
)
def test_the_extended_example(message: list[tuple[str, str]], expected: str) -> None:
    """RFC 5228 §9."""
    assert outcome(EXTENDED, message) == [expected]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("true", True),
        ("false", False),
        ("not true", False),
        ("not not true", True),
        ("allof (false, false)", False),
        ("allof (false, true)", False),
        ("allof (true, true)", True),
        ("anyof (false, false)", False),
        ("anyof (false, true)", True),
        ("anyof (true, true)", True),
        ("TRUE", True),
        ("size :over 999", True),
        ("size :over 1000", False),
        ("size :under 1000", False),
        ("size :under 1001", True),
        ("size :over 1K", False),
        ('exists "from"', True),
        ('exists ["From", "Cc"]', False),
        ('exists "From:"', False),
        ('exists ["From", "bad name"]', False),
        ('header :contains "From:" ""', False),
        ('header :contains "" ""', False),
        ('header :contains ["From:", "From"] "coyote"', True),
        ('address :is :all "from" "coyote@desert.example.org"', True),
        ('address "from" "COYOTE@DESERT.EXAMPLE.ORG"', True),
        ('address :localpart "from" "coyote"', True),
        ('address :domain "from" "desert.example.org"', True),
        ('address :domain :contains ["To", "From"] "example.org"', True),
        ('address :localpart :comparator "i;octet" "from" "Coyote"', False),
        ('address :contains "reply-to" ""', False),
        ('address "bad name" "x"', False),
    ],
)
def test_tests(test: str, expected: bool) -> None:
    """RFC 5228 §5.1 to §5.10, over message A of 1000 octets; impossible field names match nothing (§2.4.2.2)."""
    assert holds(test) is expected


def test_phrases_and_group_names_are_no_addresses() -> None:
    """RFC 5228 §5.1: "never acts on the phrase part of an email address or on comments"."""
    message = [("From", '"boss@example.com, a" <evil@x> (boss@example.com)'), ("To", "boss@example.com: a@b;")]
    assert not holds('address :contains ["from", "to"] "boss"', message)
    assert holds('address ["from", "to"] "a@b"', message)


def test_an_encoded_phrase_is_no_address() -> None:
    """What a sender hid in an encoded word is a phrase, however it reads when decoded."""
    raw = "=?utf-8?q?boss=40example.com=2C?= <evil@x>"
    message = facts([("From", raw)])
    assert not holds('address "from" "boss@example.com"', message)
    assert holds('address "from" "evil@x"', message)


def test_what_is_no_address_matches_only_as_a_whole() -> None:
    """RFC 5228 §2.7.4."""
    message = [("From", "not an address")]
    assert not holds('address :contains :localpart "from" ""', message)
    assert not holds('address :contains :domain "from" ""', message)
    assert holds('address :contains "from" "an addr"', message)
    assert holds('address :is "from" ""', [("From", " ")])
    assert not holds('address :is :localpart "from" ""', [("From", " ")])
    assert not holds('address :is "from" ""', [("From", "undisclosed-recipients:;")])


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Bcc", "Sender", "Resent-From", "Resent-To"])
def test_the_fields_that_must_hold_addresses(name: str) -> None:
    """RFC 5228 §5.1: MUST include at least these."""
    assert holds(f'address "{name}" "a@b"', [(name, "a@b")])


def test_other_fields_hold_no_addresses() -> None:
    """RFC 5228 §5.1: "MUST restrict the address test to headers that contain addresses"."""
    with pytest.raises(SieveError, match='"subject" holds no addresses'):
        compile_script('if address "Subject" "a" { keep; }')


@pytest.mark.parametrize(
    "test", ["size 100", "size :over :under 100", "size :over", 'size :over "1"', "size :over :over 1"]
)
def test_size_wants_exactly_one_of_over_and_under(test: str) -> None:
    """RFC 5228 §5.9: "anything else is an error"."""
    with pytest.raises(SieveError):
        compile_script(f"if {test} {{ keep; }}")


@pytest.mark.parametrize("address", ["nobody", "a@b, c@d", "a b@c", "g: a@b;", "<@r:a@b>", "a@b\r\nBcc: x@y", ""])
def test_redirect_wants_one_address(address: str) -> None:
    """RFC 5228 §2.4.2.3: it is an error to use anything else; here already when the script is compiled."""
    with pytest.raises(SieveError, match="expected one address"):
        compile_script(f'redirect "{address}";')


def test_discard_only_cancels_the_implicit_keep() -> None:
    """RFC 5228 §4.4: fileinto and discard is fileinto; keep and discard is keep."""
    assert decide('require "fileinto"; fileinto "a"; discard;').filings() == (FileInto("a"),)
    assert decide("keep; discard;").filings() == (FileInto("INBOX"),)


def test_the_same_thing_twice_is_one_thing() -> None:
    """RFC 5228 §2.10.3: twice into a mailbox MUST NOT be an error, and SHOULD NOT be two messages."""
    script = 'keep; fileinto "a"; fileinto "a"; keep; redirect "a@b"; redirect "A <a@b>"; discard; discard;'
    assert outcome(f'require "fileinto"; {script}') == ["a", "keep", "a@b", "discard"]


def test_steps_know_their_line() -> None:
    """For who explains what happened."""
    decision = decide("\n\nkeep;")
    assert decision == Actions((Keep(),), implicit_keep=False)
    assert decision.steps[0].line == 3

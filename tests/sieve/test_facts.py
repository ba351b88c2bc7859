from mailhorn.sieve.facts import Facts, HeaderFacts, Need

FIELDS = [("Subject", "=?utf-8?q?hi?="), ("X-A", "1"), ("x-a ", "2")]


def decoded(value: str) -> str:
    """Stands for an RFC 2047 decoder."""
    return value.replace("=?utf-8?q?hi?=", "hi")


def test_nothing_given_is_nothing_gathered() -> None:
    """None everywhere, so the engine asks."""
    known: Facts = HeaderFacts()
    assert known.header("subject") is None and known.structured("subject") is None and known.size() is None
    assert known.envelope("from") is None and known.mailbox_exists("INBOX") is None


def test_a_whole_header_has_no_gaps() -> None:
    """A field that is not in it is absent, not unknown; names compare without case and trailing blanks."""
    known = HeaderFacts(FIELDS, size=0)
    assert known.header("x-a") == ("1", "2")
    assert known.header("cc") == ()
    assert known.size() == 0


def test_a_part_of_a_header_knows_only_its_names() -> None:
    """A watcher fetched these names: one of them is absent, any other is unknown."""
    known = HeaderFacts([("Subject", "x")], only=["Subject", "Cc"])
    assert known.header("subject") == ("x",)
    assert known.header("cc") == ()
    assert known.header("to") is None


def test_values_are_decoded_but_addresses_are_read_from_what_was_written() -> None:
    """RFC 2047 §6.2: an encoded word never becomes syntax."""
    known = HeaderFacts(FIELDS, decode=decoded)
    assert known.header("subject") == ("hi",)
    assert known.structured("subject") == ("=?utf-8?q?hi?=",)


def test_a_value_is_decoded_once_and_only_if_it_is_asked_for() -> None:
    """Decoding costs."""
    calls: list[str] = []

    def decode(value: str) -> str:
        calls.append(value)
        return value

    known = HeaderFacts(FIELDS, decode=decode)
    assert known.header("subject") == known.header("subject")
    assert calls == ["=?utf-8?q?hi?="]


def test_envelope_and_mailboxes() -> None:
    """Parts compare without case; of mailboxes only INBOX does."""
    known = HeaderFacts(envelope={"from": [""]}, mailboxes=["Inbox", "a"])
    assert known.envelope("FROM") == [""]
    assert known.envelope("to") == ()
    assert known.mailbox_exists("inbox") and known.mailbox_exists("a")
    assert not known.mailbox_exists("A")


def test_need_is_empty_by_default() -> None:
    """Nothing missing."""
    assert Need() == Need(frozenset(), False, frozenset(), frozenset())

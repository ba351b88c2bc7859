"""The book of the soak notices whatever must not be."""

from bench.ledger import Ledger


def ledger() -> Ledger:
    """Return one with two mailboxes: the first has readers 0 and 1, the second reader 2."""
    return Ledger([(0, 1), (2,)])


def accepted(book: Ledger, mailbox: int = 0) -> int:
    """Return a message that was accepted."""
    message = book.issue(mailbox)
    book.accept(message)
    return message


def test_all_seen() -> None:
    """What everybody has seen is owed to nobody, and may be deleted."""
    book = ledger()
    message = accepted(book)
    assert book.owed == 2
    assert book.see(0, 0, 7, message)
    assert book.common(0) == []
    assert book.see(1, 0, 7, message)
    assert (book.owed, book.missing(), book.common(0), book.fault_count) == (0, [], [7], 0)


def test_lost() -> None:
    """A message that one reader has not seen is missing for that reader."""
    book = ledger()
    first, second = accepted(book), accepted(book)
    book.see(0, 0, 1, first)
    assert book.missing() == [(0, second), (1, first), (1, second)]
    assert book.owed == 3


def test_pushed_before_answered() -> None:
    """A push may come before the answer to DATA: it counts."""
    book = ledger()
    message = book.issue(0)
    book.see(0, 0, 1, message)
    book.accept(message)
    assert (book.owed, book.missing()) == (1, [(1, message)])


def test_seen_again() -> None:
    """A client that comes back sees everything again: that is no news and no fault."""
    book = ledger()
    message = accepted(book)
    assert book.see(0, 0, 1, message)
    assert not book.see(0, 0, 1, message)
    assert (book.owed, book.fault_count) == (1, 0)


def test_never_answered() -> None:
    """What was handed over and not answered may be there or not."""
    book = ledger()
    stored, dropped = book.issue(0), book.issue(0)
    for message in (stored, dropped):
        book.doubt(message)
    book.see(0, 0, 1, stored)
    assert (book.owed, book.missing(), book.fault_count) == (0, [], 0)


def test_doubled() -> None:
    """A message with two UIDs is a fault."""
    book = ledger()
    message = accepted(book)
    book.see(0, 0, 1, message)
    book.see(1, 0, 2, message)
    assert book.faults == [f"mailbox 0: message {message} is there twice, as UID 1 and 2"]


def test_uid_used_twice() -> None:
    """A UID that names two messages is a fault, also when the first was deleted in between."""
    book = ledger()
    first, second = accepted(book), accepted(book)
    for reader in (0, 1):
        book.see(reader, 0, 1, first)
    book.delete(0, [1])
    book.see(0, 0, 1, second)
    assert book.faults == [f"mailbox 0: UID 1 was message {first} and is {second}"]


def test_misdelivered() -> None:
    """A message in another mailbox than it was sent to, or one that was never sent, is a fault."""
    book = ledger()
    message = accepted(book)
    book.see(2, 1, 1, message)
    book.see(2, 1, 2, 99)
    assert book.fault_count == 2


def test_uid_validity_changes() -> None:
    """UIDVALIDITY stays what it was."""
    book = ledger()
    for uid_validity in (5, 5, 6):
        book.select(0, uid_validity)
    assert book.faults == ["mailbox 0: UIDVALIDITY was 5 and is 6"]


def test_contents() -> None:
    """What somebody deleted may be gone or there; anything else that is gone, or new to all, is a fault."""
    book = ledger()
    for uid in (1, 2, 3):
        message = accepted(book)
        for reader in (0, 1):
            book.see(reader, 0, uid, message)
    book.delete(0, [1])
    for good in ([2, 3], [1, 2, 3]):
        book.contents(0, good, "somebody")
    assert book.fault_count == 0
    book.contents(0, [2], "somebody")
    book.contents(0, [2, 3, 4], "somebody")
    book.contents(0, [3, 2], "somebody")
    kinds = (
        "is gone for somebody; nobody deleted it",
        "has UID 4, which no reader was told of",
        "out of order or twice",
    )
    assert len(book.faults) == 3
    assert all(kind in fault for kind, fault in zip(kinds, book.faults, strict=True)), book.faults


def test_faults_are_bounded() -> None:
    """A server that gets everything wrong fills no memory here."""
    book = ledger()
    for number in range(1000):
        book.see(0, 0, number + 1, number)
    assert book.fault_count == 1000
    assert len(book.faults) == 20

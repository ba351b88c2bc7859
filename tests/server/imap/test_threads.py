"""THREAD: the steps of RFC 5256 §3, and what is made to break them."""

import gc
import re
from collections.abc import Iterable

import pytest

from mailhorn.server.imap.threads import Conversations, Message, ids, references


def message(number: int, subject: str = "", id_: str = "", refs: str = "", answers: bool = False) -> Message:
    """A message sent in the order of its number."""
    forefathers = tuple(ref.encode() for ref in refs.split())
    return Message(number, subject, answers, number * 100, id_.encode(), forefathers)


def together(found: Iterable[Message]) -> Conversations:
    """Messages as they come."""
    made = Conversations()
    for one in found:
        made.add(one)
    return made


def shape(made: Conversations, node: int) -> object:
    """A thread as nested lists: (number, below...)."""
    number, below = made.number(node), made.below(node)
    return (number, *[shape(made, one) for one in below]) if below else number


async def shapes(*found: Message) -> list[object]:
    made = together(found)
    await made.by_references()
    return [shape(made, root) for root in made.roots]


async def test_answers_stand_below_what_they_answer() -> None:
    """Whichever comes first."""
    assert await shapes(message(1, "", "a"), message(2, "", "b", "a"), message(3, "", "c", "a b")) == [(1, (2, 3))]
    assert await shapes(message(1, "", "c", "a b"), message(2, "", "b", "a"), message(3, "", "a")) == [(3, (2, 1))]


async def test_who_is_not_there_is_left_out_unless_several_would_have_it_as_parent() -> None:
    """Steps 3.A and 3.B."""
    assert await shapes(message(1, "", "c", "a b")) == [1]
    assert await shapes(message(1, "", "a"), message(2, "", "c", "a b"), message(3, "", "d", "a b")) == [(1, 2, 3)]
    assert await shapes(message(1, "", "c", "a"), message(2, "", "d", "a")) == [(None, 1, 2)]
    assert await shapes(message(1, "", "c", "a x"), message(2, "", "d", "a y")) == [(None, 1, 2)]


async def test_nobody_is_his_own_forefather() -> None:
    """Step 1: no loops, whatever References say."""
    assert await shapes(message(1, "", "a", "a")) == [1]
    assert await shapes(message(1, "", "a", "b"), message(2, "", "b", "a")) == [(2, 1)]
    three = [message(1, "", "a", "b c"), message(2, "", "b", "c a"), message(3, "", "c", "a b")]
    assert sorted(re.findall("[0-9]", str(await shapes(*three)))) == ["1", "2", "3"]


async def test_the_last_reference_is_the_parent() -> None:
    """Step 1.B: what others said before does not stand against it."""
    found = await shapes(message(1, "", "a"), message(2, "", "c", "a b"), message(3, "", "b", "a"), message(4, "", "d"))
    assert found == [(1, (3, 2)), 4]


async def test_the_same_id_twice_is_two_messages() -> None:
    """Step 1: the second one has none."""
    assert await shapes(message(1, "", "a"), message(2, "", "a"), message(3, "", "b", "a")) == [(1, 3), 2]


async def test_the_same_subject_belongs_together() -> None:
    """Step 5.C, case by case."""
    assert await shapes(message(1, "s"), message(2, "s", answers=True)) == [(1, 2)]
    assert await shapes(message(1, "s", answers=True), message(2, "s")) == [(2, 1)]
    assert await shapes(message(1, "s"), message(2, "s"), message(3, "t")) == [(None, 1, 2), 3]
    assert await shapes(message(1, "s"), message(2, "s"), message(3, "s")) == [(None, 1, 2, 3)]
    assert await shapes(message(1, ""), message(2, "")) == [1, 2]
    dummy = [message(1, "s", "c", "a"), message(2, "s", "d", "a")]
    assert await shapes(*dummy, message(3, "s")) == [(None, 1, 2, 3)]
    assert await shapes(*dummy, message(3, "s", "e", "x"), message(4, "s", "f", "x")) == [(None, 1, 2, 3, 4)]


async def test_siblings_stand_by_date() -> None:
    """Steps 4 and 6; of the same date by number; where nobody is, the first child's date counts."""
    late, early = message(1, "", "a"), message(2, "", "b")
    late.sent = 900
    assert await shapes(late, early, message(3, "", "c", "b")) == [(2, 3), 1]
    early.sent = 900
    assert await shapes(late, early) == [1, 2]


async def test_by_subject_alone() -> None:
    """ORDEREDSUBJECT: the first on top, all others below it."""
    found = [message(1, "s"), message(2, "t"), message(3, "s"), message(4, "s"), message(5, "")]
    found[0].sent = 350
    made = together(found)
    await made.by_subject()
    assert [shape(made, root) for root in made.roots] == [2, (3, 1, 4), 5]


@pytest.mark.timeout(60)
async def test_a_chain_as_long_as_the_mailbox() -> None:
    """Nothing recurses, and nothing is quadratic."""
    count = 20_000
    made = together(message(n, "", f"i{n}", f"i{n - 1}") for n in range(1, count + 1))
    await made.by_references()
    (node,) = made.roots
    deep = 1
    while below := made.below(node):
        (node,) = below
        deep += 1
    assert deep == count


async def test_the_collector_has_nothing_to_walk_over() -> None:
    """An object for each of 100,000 messages costs everybody 200 ms, whenever the collector comes by."""
    gc.collect()
    before = len(gc.get_objects())
    made = together(message(n, f"s{n % 7}", f"i{n}", f"i{n - n % 5} x{n - n % 3}") for n in range(1, 3000))
    await made.by_references()
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_ids() -> None:
    """Comments and garbage are passed over, quoting is undone (RFC 5256 §3)."""
    assert ids(b'x <a@b> (c) <"d e"@f> <> < g@h > <i') == (b"a@b", b"d e@f", b"g@h")
    assert references(b"References: <a@b>\r\n <c@d>\r\nX: <no@x>\r\nreferences: <e@f>\r\n\r\n") == (
        b"a@b",
        b"c@d",
        b"e@f",
    )

"""Changes that follow one another, as one."""

from mailhorn.model.change import Change, FlagUpdate, merged
from mailhorn.model.ids import UID, MailboxId, ModSeq

BOX = MailboxId(1)


def test_one_change_is_itself() -> None:
    """Nothing is copied on the usual way."""
    change = Change(BOX, ModSeq(1), ModSeq(2), (UID(5),))
    assert merged([change]) is change


def test_what_came_and_went_is_only_gone_and_the_last_flags_count() -> None:
    """What a view is told of several changes is what it would have been told at once."""
    changes = [
        Change(BOX, ModSeq(1), ModSeq(2), (UID(5), UID(6))),
        Change(
            BOX, ModSeq(2), ModSeq(3), updated=(FlagUpdate(UID(1), ModSeq(3), "a"), FlagUpdate(UID(5), ModSeq(3), "b"))
        ),
        Change(
            BOX, ModSeq(3), ModSeq(4), updated=(FlagUpdate(UID(1), ModSeq(4), "c"), FlagUpdate(UID(2), ModSeq(4), ""))
        ),
        Change(BOX, ModSeq(4), ModSeq(5), expunged=(UID(2), UID(6))),
    ]
    assert merged(changes) == Change(
        BOX, ModSeq(1), ModSeq(5), (UID(5),), (FlagUpdate(UID(1), ModSeq(4), "c"),), (UID(2), UID(6))
    )


def test_a_mailbox_that_is_gone_stays_so() -> None:
    """`gone` is never forgotten."""
    assert merged([Change(BOX, ModSeq(1), ModSeq(2)), Change(BOX, ModSeq(2), ModSeq(3), gone=True)]).gone

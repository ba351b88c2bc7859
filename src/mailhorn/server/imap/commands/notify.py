"""NOTIFY (RFC 5465): what the client is told without asking, also between commands, and of which mailboxes."""

from ....imap.commands import Attribute, EventGroup, Notify, NotifyEvent
from ....imap.responses import BadEvent, Code
from ..conversation import Conversation
from ..names import normal
from ..notices import SLICE, Notices
from ..reach import OTHERS, canonical
from ..reply import CommandRefused, Reply, ok
from ..selected import Manner
from ..survey import Survey, TooMany

SUPPORTED = tuple([event for event in NotifyEvent if event is not NotifyEvent.ANNOTATION_CHANGE])
"""There are no annotations (RFC 5257)."""


async def notify(conversation: Conversation, command: Notify) -> Reply:
    """
    Tell it from now on; what happened to the selected mailbox before is told now in any case (RFC 5465 §3.1).

    Who is asked for first registers, then reads how all mailboxes are, then is told: nothing falls in between.
    """
    if command.groups is None:
        conversation.notify(Notices((), None))
        return ok(b"Nothing will be told")
    for group in command.groups:
        if group.events.others or not group.events.kinds <= frozenset(SUPPORTED):
            raise CommandRefused("There are no such events", BadEvent(tuple([event.value for event in SUPPORTED])))
    groups = [await _meant(conversation, group) for group in command.groups]
    notices = Notices(groups, None)
    if Attribute.MODSEQ in notices.fetch:
        conversation.aware()
    before = conversation.notices
    if notices.needs_survey:
        context = conversation.context
        survey = Survey.of(context.store.index, context.hub, conversation.owner, OTHERS)
        survey.join(conversation)
        try:
            await survey.look()
        except BaseException as problem:
            if before is None or before.survey is not survey:
                survey.leave(conversation)
            if isinstance(problem, TooMany):
                raise CommandRefused(str(problem), Code("NOTIFICATIONOVERFLOW")) from None
            raise
        notices = Notices(groups, survey, conversation.notices)
    conversation.notify(notices)
    notices.begin()
    for response in notices.inaccessible():
        conversation.core.untagged(response)
    if command.status:
        await _tell_statuses(conversation, notices)
    conversation.owed = True
    return ok(b"It will be told")


async def _meant(conversation: Conversation, group: EventGroup) -> EventGroup:
    """Return the group with what its names mean."""
    names = tuple([canonical(await normal(conversation, name)) for name in group.names])
    return group if names == group.names else EventGroup(group.watched, names, group.events)


async def _tell_statuses(conversation: Conversation, notices: Notices) -> None:
    names = notices.watched_names()
    mod_seqs = conversation.manner is not Manner.PLAIN
    for start in range(0, len(names), SLICE):
        for response in await notices.statuses(names[start : start + SLICE], mod_seqs):
            conversation.core.untagged(response)
        await conversation.room()

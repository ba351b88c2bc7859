"""What the server's view says and what the client's view makes of it are the same, always."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mailhorn.imap.view import Count, Gone, MailboxView, Update
from mailhorn.model.change import Change, FlagUpdate
from mailhorn.model.ids import UID, MailboxId, ModSeq, SeqNum
from mailhorn.model.numbers import UIDSet

BOX = MailboxId(1)
SESSIONS = 3


class Log:
    """A mailbox as a log of what happened: the specification of `Index.changes_since`."""

    def __init__(self) -> None:
        self.mod_seq = 1
        self.next_uid = 1
        self.flags: dict[int, tuple[int, str]] = {}
        self.tombstones: list[tuple[int, int]] = []

    def changes_since(self, view: MailboxView) -> Change:
        known = view.last_uid
        return Change(
            BOX,
            view.changed_to,
            ModSeq(self.mod_seq),
            tuple(UID(uid) for uid in sorted(self.flags) if uid > known),
            tuple(
                FlagUpdate(UID(uid), ModSeq(at), text)
                for uid, (at, text) in sorted(self.flags.items())
                if uid <= known and at > view.changed_to
            ),
            tuple(UID(uid) for uid, at in sorted(self.tombstones) if at > view.expunged_to),
        )


class Mirror(RuleBasedStateMachine):
    """Three sessions on one mailbox; what each is told is applied to a client view of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        base = MailboxView(mod_seq=ModSeq(1))
        self.server = [base.fork() for _ in range(SESSIONS)]
        self.client = [MailboxView() for _ in range(SESSIONS)]
        self.by_uid = MailboxView()

    def _tell(self, change: Change) -> None:
        """What the hub does: who stands there and may be told applies it, the others do not."""
        for n, view in enumerate(self.server):
            if n and change.before == view.changed_to == view.expunged_to:
                self._apply(n, change, expunge=True)

    def _apply(self, n: int, change: Change, expunge: bool) -> None:
        view, client = self.server[n], self.client[n]
        updates = view.apply(change, expunge=expunge)
        if n == 0:
            self._vanish(updates)
        for update in updates:
            if isinstance(update, Gone):
                assert update.uid == client.uid_at(update.seq)
                assert expunge, "EXPUNGE where it may not be sent"
                client.expunge(update.seq)
            elif isinstance(update, Count):
                assert update.messages > len(client)
                client.exists(update.messages)
            else:
                assert client.uid_at(update.seq) in (0, update.uid)
        for i in range(len(client)):
            client.learn(SeqNum(i + 1), view.uid_at(SeqNum(i + 1)))

    def _vanish(self, updates: list[Update]) -> None:
        """The first session also has a client that knows VANISHED, and asks for UIDs only now and then."""
        gone = [update.uid for update in updates if isinstance(update, Gone)]
        if gone:
            self.by_uid.vanish(UIDSet.of(gone))
        for update in updates:
            if isinstance(update, Count):
                self.by_uid.exists(update.messages)
        if len(updates) % 2:
            for i in range(len(self.by_uid)):
                self.by_uid.learn(SeqNum(i + 1), self.server[0].uid_at(SeqNum(i + 1)))

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        before, self.log.mod_seq = self.log.mod_seq, self.log.mod_seq + 1
        uids = range(self.log.next_uid, self.log.next_uid + count)
        self.log.next_uid += count
        self.log.flags.update((uid, (self.log.mod_seq, "")) for uid in uids)
        self._tell(Change(BOX, ModSeq(before), ModSeq(self.log.mod_seq), tuple(map(UID, uids))))

    @rule(data=st.data(), text=st.sampled_from(["", "\\Seen", "work"]))
    def flag(self, data: st.DataObject, text: str) -> None:
        if self.log.flags:
            uid = data.draw(st.sampled_from(sorted(self.log.flags)))
            before, self.log.mod_seq = self.log.mod_seq, self.log.mod_seq + 1
            self.log.flags[uid] = (self.log.mod_seq, text)
            update = FlagUpdate(UID(uid), ModSeq(self.log.mod_seq), text)
            self._tell(Change(BOX, ModSeq(before), ModSeq(self.log.mod_seq), updated=(update,)))

    @rule(data=st.data())
    def expunge(self, data: st.DataObject) -> None:
        if self.log.flags:
            uids = sorted(data.draw(st.sets(st.sampled_from(sorted(self.log.flags)), min_size=1, max_size=3)))
            before, self.log.mod_seq = self.log.mod_seq, self.log.mod_seq + 1
            for uid in uids:
                del self.log.flags[uid]
                self.log.tombstones.append((uid, self.log.mod_seq))
            self._tell(Change(BOX, ModSeq(before), ModSeq(self.log.mod_seq), expunged=tuple(map(UID, uids))))

    @rule(n=st.integers(0, SESSIONS - 1), expunge=st.booleans())
    def sync(self, n: int, expunge: bool) -> None:
        self._apply(n, self.log.changes_since(self.server[n]), expunge)

    @invariant()
    def views_are_equal_and_in_order(self) -> None:
        for view, client in zip(self.server, self.client, strict=True):
            uids = [view.uid_at(SeqNum(i + 1)) for i in range(len(view))]
            assert uids == [client.uid_at(SeqNum(i + 1)) for i in range(len(client))]
            assert uids == sorted(set(uids))
        known = [self.by_uid.uid_at(SeqNum(i + 1)) for i in range(len(self.by_uid))]
        there = [self.server[0].uid_at(SeqNum(i + 1)) for i in range(len(self.server[0]))]
        assert [uid or there[i] for i, uid in enumerate(known)] == there

    def teardown(self) -> None:
        for n in range(SESSIONS):
            self.sync(n, True)
            view = self.server[n]
            assert [view.uid_at(SeqNum(i + 1)) for i in range(len(view))] == sorted(self.log.flags)


TestMirror = Mirror.TestCase
TestMirror.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)

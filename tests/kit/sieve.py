"""RFC 5228 §1.2's two messages, and a short way to run a script over one."""

from mailhorn.sieve import Actions, Facts, FileInto, HeaderFacts, Keep, Redirect, compile_script, evaluate

MESSAGE_A = [
    ("Date", "Tue, 1 Apr 1997 09:06:31 -0800 (PST)"),
    ("From", "coyote@desert.example.org"),
    ("To", "roadrunner@acme.example.com"),
    ("Subject", "I have a present for you"),
]
MESSAGE_B = [
    ("From", "youcouldberich!@reply-by-postal-mail.invalid"),
    ("Sender", "b1ff@de.res.example.com"),
    ("To", "rube@landru.example.com"),
    ("Date", "Mon, 31 Mar 1997 18:26:10 -0800"),
    ("Subject", "$$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$"),
]
ENVELOPE = {"from": ["tim@example.com"], "to": ["me@example.org"]}


def facts(
    fields: list[tuple[str, str]],
    size: int = 1000,
    envelope: dict[str, list[str]] | None = None,
    mailboxes: tuple[str, ...] = ("INBOX",),
) -> HeaderFacts:
    """Facts where nothing is missing."""
    return HeaderFacts(fields, size=size, envelope=ENVELOPE if envelope is None else envelope, mailboxes=mailboxes)


def decide(script: str, message: list[tuple[str, str]] | Facts = MESSAGE_A) -> Actions:
    """What the script decides about a message of which everything is known."""
    decision = evaluate(compile_script(script), facts(message) if isinstance(message, list) else message)
    assert isinstance(decision, Actions)
    return decision


def outcome(script: str, message: list[tuple[str, str]] | Facts = MESSAGE_A) -> list[str]:
    """The same in words: mailboxes, addresses, "keep", and "implicit keep"."""
    decision = decide(script, message)
    words = []
    for step in decision.steps:
        if isinstance(step, FileInto):
            words.append(step.mailbox)
        elif isinstance(step, Redirect):
            words.append(step.address)
        elif isinstance(step, Keep):
            words.append("keep")
        else:
            words.append("discard")
    return words + ["implicit keep"] * decision.implicit_keep


def holds(test: str, message: list[tuple[str, str]] | Facts = MESSAGE_A, require: str = "") -> bool:
    """What a single test says about a message."""
    return outcome(f"{require} if {test} {{ discard; }}", message) == ["discard"]

"""LIST patterns (RFC 9051 §6.3.9): `*` matches anything, `%` anything but the hierarchy delimiter."""

from ...model.mailbox import DELIMITER, INBOX


def matches(pattern: str, name: str) -> bool:
    """
    Say whether a name matches; INBOX does in any case, also as first level.

    Runs in O(len(pattern) * len(name)) whatever the pattern: it keeps the set of positions it may be at.
    """
    no_case = len(INBOX) if (name + DELIMITER).startswith(INBOX + DELIMITER) else 0
    at = {0}
    for character in pattern:
        if character == "*":
            at = set(range(min(at), len(name) + 1))
        elif character == "%":
            reached = set()
            for start in at:
                while start not in reached:
                    reached.add(start)
                    if start < len(name) and name[start] != DELIMITER:
                        start += 1
            at = reached
        else:
            capital = character.upper()
            at = {i + 1 for i in at if i < len(name) and name[i] == (capital if i < no_case else character)}
        if not at:
            return False
    return len(name) in at

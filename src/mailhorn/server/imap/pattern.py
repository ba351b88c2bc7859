"""LIST patterns (RFC 9051 §6.3.9): `*` matches anything, `%` anything but the hierarchy delimiter."""

from ...model.mailbox import DELIMITER, INBOX


def matches(pattern: str, name: str) -> bool:
    """
    Say whether a name matches; INBOX does in any case.

    Runs in O(len(pattern) * len(name)) whatever the pattern: it keeps the set of positions it may be at.
    """
    if name == INBOX or name.startswith(INBOX + DELIMITER):
        head, slash, rest = pattern.partition(DELIMITER)
        if head.upper() == INBOX:
            pattern = INBOX + slash + rest
        elif name == INBOX:
            pattern = pattern.upper()
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
            at = {i + 1 for i in at if i < len(name) and name[i] == character}
        if not at:
            return False
    return len(name) in at

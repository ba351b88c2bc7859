"""QUOTA (RFC 9208).

Changes: `command-auth =/ getquota / getquotaroot`, `mailbox-data =/ quota-response / quotaroot-response`, `status-att
=/ "DELETED-STORAGE"` (parsed with the others), `resp-text-code =/ "OVERQUOTA"` (a code without arguments). There is no
QUOTASET: limits are settings.
"""

from ...responses import Quota, QuotaRoots
from ..atoms import parse_astring, parse_number64, parse_word, write_astring, write_number, write_word
from ..cursor import Cursor, Writer
from ..mailbox import parse_mailbox, write_mailbox


def parse_quota_root_name(cur: Cursor) -> bytes:
    """
    SP quota-root-name; quota-root-name = astring

    RFC 9208 §6.
    """
    cur.space()
    return parse_astring(cur)


def write_quota_root_name(out: Writer, root: bytes) -> None:
    """Write a quota root with the space before it."""
    out.write(b" ")
    write_astring(out, root)


def parse_quota_response(cur: Cursor) -> Quota:
    """
    quota-response = "QUOTA" SP quota-root-name SP "(" [quota-resource *(SP quota-resource)] ")"; quota-resource =
    resource-name SP resource-usage SP resource-limit

    RFC 9208 §6, RFC 2087 §5.1 for the empty list. Reads on behind the word. Names in capitals.
    """
    root = parse_quota_root_name(cur)
    cur.space()
    cur.opens()
    resources: list[tuple[str, int, int]] = []
    while not cur.closes():
        if resources:
            cur.space()
        name = parse_word(cur).upper()
        cur.space()
        usage = parse_number64(cur)
        cur.space()
        resources.append((name, usage, parse_number64(cur)))
    return Quota(root, tuple(resources))


def write_quota_response(out: Writer, value: Quota) -> None:
    """Write what follows the word."""
    write_quota_root_name(out, value.root)
    out.write(b" (")
    for number, (name, usage, limit) in enumerate(value.resources):
        out.write(b" " if number else b"")
        write_word(out, name)
        out.write(b" ")
        write_number(out, usage)
        out.write(b" ")
        write_number(out, limit)
    out.write(b")")


def parse_quotaroot_response(cur: Cursor) -> QuotaRoots:
    """
    quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)

    RFC 9208 §6. Reads on behind the word.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    roots = []
    while cur.at(b" "):
        roots.append(parse_quota_root_name(cur))
    return QuotaRoots(mailbox, tuple(roots))


def write_quotaroot_response(out: Writer, value: QuotaRoots) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    for root in value.roots:
        write_quota_root_name(out, root)

"""The settings of mbsync (isync): an account's mailboxes into a Maildir tree, or both ways."""

from pathlib import Path


def settings(port: int, password: str, maildir: Path, both_ways: bool, style: str = "Verbatim") -> str:
    """
    Return what belongs into its mbsyncrc.

    Args:
        port: Where the server listens, on this machine, in the clear; the user is ann.
        password: Hers.
        maildir: The tree.
        both_ways: Make both sides alike; otherwise only the Maildir is written.
        style: How mbsync names subfolders.

    """
    channel = "Create Both\nRemove Both\nExpunge Both" if both_ways else "Create Near\nSync Pull"
    path = f"Path {maildir}/\n" if style == "Verbatim" else ""  # the other style takes Inbox for the root
    return f"""\
IMAPAccount server
Host 127.0.0.1
Port {port}
User ann
Pass "{password}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account server

MaildirStore near
{path}\
Inbox {maildir}/INBOX
SubFolders {style}

Channel all
Far :far:
Near :near:
Patterns *
{channel}
SyncState *
CopyArrivalDate yes
"""

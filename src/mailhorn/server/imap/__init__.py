"""IMAP sessions on `imap.server`: one file per command group. A task lives only while a command runs."""

-- What clients note of mailboxes (RFC 5464), their special uses among it, and when messages came into their mailboxes.

CREATE TABLE metadata (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,                      -- 0: of the account as a whole
    entry   TEXT NOT NULL,                         -- in lower case
    value   BLOB NOT NULL,
    PRIMARY KEY (account, mailbox, entry)
) STRICT, WITHOUT ROWID;

ALTER TABLE message ADD COLUMN save_date INTEGER;  -- seconds since 1970; NULL: not known, the internal date stands for it

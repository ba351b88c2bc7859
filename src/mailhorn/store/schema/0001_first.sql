-- The index: what is in which mailbox, and what still has to come to rest in the Maildirs.
-- A MailboxId and an AccountId are never given twice, hence AUTOINCREMENT.

CREATE TABLE server (
    one               INTEGER PRIMARY KEY CHECK (one = 1),
    last_uid_validity INTEGER NOT NULL,
    restoring         INTEGER NOT NULL DEFAULT 0   -- 1 while the index is being made from Maildirs
) STRICT;
INSERT INTO server (one, last_uid_validity) VALUES (1, 0);

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    login         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
) STRICT;

CREATE TABLE mailbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    account         INTEGER NOT NULL REFERENCES account (id),
    name            TEXT NOT NULL,
    uid_validity    INTEGER NOT NULL,
    uid_next        INTEGER NOT NULL DEFAULT 1 CHECK (uid_next <= 4294967296),
    highest_mod_seq INTEGER NOT NULL DEFAULT 1,
    messages        INTEGER NOT NULL DEFAULT 0,
    unseen          INTEGER NOT NULL DEFAULT 0,
    deleted         INTEGER NOT NULL DEFAULT 0,
    size            INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE subscription (
    account INTEGER NOT NULL REFERENCES account (id),
    name    TEXT NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- One stored body and what FETCH needs of it, shared by the copies of a message.
CREATE TABLE blob (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    key            TEXT NOT NULL,
    refs           INTEGER NOT NULL,               -- rows of message and leaving that name it
    header_size    INTEGER NOT NULL,
    envelope       BLOB NOT NULL,
    body_structure BLOB NOT NULL,
    body           BLOB NOT NULL,
    parts          BLOB NOT NULL
) STRICT;

-- Small bodies until they are at rest; apart from blob, so that its pages are free again soon.
CREATE TABLE inline_body (
    blob INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE message (
    mailbox       INTEGER NOT NULL,
    uid           INTEGER NOT NULL,
    mod_seq       INTEGER NOT NULL,
    flags         TEXT NOT NULL,                   -- ready to send
    internal_date INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    blob          INTEGER NOT NULL,
    letters       TEXT,                            -- flags in the file's name; NULL: there is no file yet
    origin        TEXT,                            -- of a copy without a file: "mailbox/file" it is a copy of
    dirty         INTEGER NOT NULL DEFAULT 0,      -- the file's name does not tell the flags any more
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_by_mod_seq ON message (mailbox, mod_seq);
CREATE INDEX message_unfiled ON message (blob) WHERE letters IS NULL;
CREATE INDEX message_dirty ON message (mailbox) WHERE dirty = 1;

CREATE TABLE tombstone (
    mailbox INTEGER NOT NULL,
    mod_seq INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    PRIMARY KEY (mailbox, mod_seq, uid)
) STRICT, WITHOUT ROWID;

-- Expunged messages whose file, body and digest are still to be removed.
CREATE TABLE leaving (
    mailbox INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    name    TEXT,                                  -- the file, if there is one
    blob    INTEGER,                               -- NULL: the body lives on elsewhere (MOVE)
    size    INTEGER NOT NULL,
    due     REAL NOT NULL,                         -- not before, seconds since 1970
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX leaving_by_due ON leaving (due);

-- Where a mailbox's directory is now, and what its mailhorn-mailbox file says.
CREATE TABLE folder (
    mailbox      INTEGER PRIMARY KEY,
    account      INTEGER NOT NULL,
    dir          TEXT NOT NULL UNIQUE,             -- below the root: "ada@example.org/.Work"
    uid_validity INTEGER NOT NULL,
    uid_next     INTEGER NOT NULL
) STRICT;

-- What else is not at rest. The stamp tells whether a row was marked again while it was being settled.
CREATE TABLE dirty_mailbox (
    mailbox INTEGER PRIMARY KEY,
    stamp   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE dirty_account (                       -- its subscriptions; account 0: the file of accounts
    account INTEGER PRIMARY KEY,
    stamp   INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE removed_account (
    account      INTEGER PRIMARY KEY,
    dir          TEXT NOT NULL,
    uid_validity INTEGER NOT NULL                  -- of its INBOX: is the directory really this one's?
) STRICT;

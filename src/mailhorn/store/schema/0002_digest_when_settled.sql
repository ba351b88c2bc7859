-- A digest gets a table of its own, filled when its body comes to rest: a commit that somebody waits for writes no more
-- than it must. And only messages whose flags were ever changed are looked up by mod-sequence: what was appended after
-- one is told by its UID.

CREATE TABLE digest (
    blob           INTEGER PRIMARY KEY,
    header_size    INTEGER NOT NULL,
    envelope       BLOB NOT NULL,
    body_structure BLOB NOT NULL,
    parts          BLOB NOT NULL
) STRICT;
INSERT INTO digest SELECT id, header_size, envelope, body_structure, parts FROM blob;

-- The writer gives their numbers, none twice while it runs: AUTOINCREMENT would write one page more in each commit.
CREATE TABLE blob_now (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL,
    refs INTEGER NOT NULL                          -- rows of message and leaving that name it
) STRICT;
INSERT INTO blob_now SELECT id, key, refs FROM blob;
DROP TABLE blob;
ALTER TABLE blob_now RENAME TO blob;

DROP INDEX message_by_mod_seq;
ALTER TABLE message ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;  -- its flags were, since it was appended
UPDATE message SET changed = 1;
CREATE INDEX message_changed ON message (mailbox, mod_seq) WHERE changed = 1;

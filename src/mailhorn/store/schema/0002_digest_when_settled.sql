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
ALTER TABLE blob DROP COLUMN header_size;
ALTER TABLE blob DROP COLUMN envelope;
ALTER TABLE blob DROP COLUMN body_structure;
ALTER TABLE blob DROP COLUMN body;
ALTER TABLE blob DROP COLUMN parts;

DROP INDEX message_by_mod_seq;
ALTER TABLE message ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;  -- its flags were, since it was appended
UPDATE message SET changed = 1;
CREATE INDEX message_changed ON message (mailbox, mod_seq) WHERE changed = 1;

-- Who may do what with other people's mailboxes (RFC 4314).

CREATE TABLE acl (
    mailbox    INTEGER NOT NULL,
    identifier TEXT NOT NULL,                      -- a login or 'anyone', after a '-' if the rights are taken away
    rights     TEXT NOT NULL,                      -- letters, in the order of model.rights
    PRIMARY KEY (mailbox, identifier)
) STRICT, WITHOUT ROWID;

CREATE INDEX acl_identifier ON acl (identifier);   -- what is shared with somebody

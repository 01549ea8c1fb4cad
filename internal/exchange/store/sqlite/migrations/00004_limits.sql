-- +goose Up
-- What parties did in a period; earlier periods are removed with the first use of a later one.
CREATE TABLE uses (
    party  TEXT NOT NULL,
    what   TEXT NOT NULL,
    period INTEGER NOT NULL,
    used   INTEGER NOT NULL,
    PRIMARY KEY (party, what, period)
) STRICT, WITHOUT ROWID;

-- Objects of the lake, as they count for their owners.
CREATE TABLE stored (
    path  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX stored_owner ON stored (owner, bytes);

CREATE INDEX mailbox_sender ON mailbox (owner, sender);

-- +goose Up
-- What was accepted, and where it stands in the log: idx is -1 until it has a place.
CREATE TABLE log_entries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    about      TEXT NOT NULL,
    job        TEXT NOT NULL,
    owner      TEXT NOT NULL,
    salt       BLOB NOT NULL,
    commitment BLOB NOT NULL,
    idx        INTEGER NOT NULL,
    time_ms    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_entries_idx ON log_entries (idx) WHERE idx >= 0;
CREATE INDEX log_entries_waiting ON log_entries (id) WHERE idx < 0;
CREATE INDEX log_entries_about ON log_entries (about, id) WHERE about <> '';
CREATE INDEX log_entries_job ON log_entries (job) WHERE job <> '';
CREATE UNIQUE INDEX log_entries_own ON log_entries (owner, commitment) WHERE owner <> '';

-- The next place, and the time of the last one. Who gives places holds the row until its commit.
CREATE TABLE log_state (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    next    INTEGER NOT NULL,
    time_ms INTEGER NOT NULL
) STRICT;
INSERT INTO log_state (one, next, time_ms) VALUES (1, 0, 0);

CREATE TABLE log_checkpoints (
    size  INTEGER PRIMARY KEY,
    note  BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    round INTEGER NOT NULL
) STRICT;

CREATE TABLE log_cosignatures (
    size        INTEGER NOT NULL,
    party       TEXT NOT NULL,
    line        TEXT NOT NULL,
    key         TEXT NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (size, party)
) STRICT, WITHOUT ROWID;

-- +goose Up
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE statements (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    digest     TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    complete   INTEGER NOT NULL,
    restricted INTEGER NOT NULL,
    envelope   BLOB NOT NULL
) STRICT;
CREATE INDEX statements_kind ON statements (kind, seq);

CREATE TABLE statement_authors (
    author TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (author, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_authors_digest ON statement_authors (digest);

CREATE TABLE statement_readers (
    digest TEXT NOT NULL,
    reader TEXT NOT NULL,
    PRIMARY KEY (digest, reader)
) STRICT, WITHOUT ROWID;

CREATE TABLE statement_refs (
    ref    TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (ref, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_refs_digest ON statement_refs (digest);

CREATE TABLE parties (
    fingerprint TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    statement   TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    revoked     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Items are removed when acknowledged; AUTOINCREMENT keeps their numbers from coming back.
CREATE TABLE mailbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    owner   TEXT NOT NULL,
    job     TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    sender  TEXT NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX mailbox_owner ON mailbox (owner, seq);
CREATE INDEX mailbox_job ON mailbox (job, kind) WHERE job <> '';

CREATE TABLE notices (
    job    TEXT NOT NULL,
    sender TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (job, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    digest       TEXT NOT NULL UNIQUE,
    contract     TEXT NOT NULL,
    class        TEXT NOT NULL,
    envelope     BLOB NOT NULL,
    submitted_ms INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL,
    state        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    lease        TEXT NOT NULL,
    host         TEXT NOT NULL,
    until_ms     INTEGER NOT NULL,
    code         TEXT NOT NULL,
    ended_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_state ON jobs (state, seq);

CREATE TABLE job_parties (
    job   TEXT NOT NULL,
    party TEXT NOT NULL,
    role  INTEGER NOT NULL,
    PRIMARY KEY (job, party)
) STRICT, WITHOUT ROWID;

CREATE TABLE stages (
    n       INTEGER PRIMARY KEY,
    job     TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    name    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX stages_job ON stages (job, n);

-- Batches of messages that were sent, while their attempt lasts.
CREATE TABLE sent (
    job TEXT NOT NULL,
    id  TEXT NOT NULL,
    PRIMARY KEY (job, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE replies (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    job     TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    ref     INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (job, sender, ref)
) STRICT;

CREATE TABLE artifacts (
    job  TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (job, name)
) STRICT;

-- +goose Up
-- Texts are compared by their bytes, as SQLite does; what is sealed or signed is not worth compressing.
CREATE TABLE meta (
    key   text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- One row that every writer of statements updates first, and so holds until its commit: no seq is seen before a lower one.
CREATE TABLE counters (
    name text COLLATE "C" PRIMARY KEY,
    last bigint NOT NULL
);
INSERT INTO counters (name, last) VALUES ('statements', 0);

CREATE TABLE statements (
    seq        bigint PRIMARY KEY,
    digest     text COLLATE "C" NOT NULL UNIQUE,
    kind       text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    complete   boolean NOT NULL,
    restricted boolean NOT NULL,
    envelope   bytea NOT NULL
);
CREATE INDEX statements_kind ON statements (kind, seq);

CREATE TABLE statement_authors (
    author text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (author, digest)
);
CREATE INDEX statement_authors_digest ON statement_authors (digest);

CREATE TABLE statement_readers (
    digest text COLLATE "C" NOT NULL,
    reader text COLLATE "C" NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (digest, reader)
);

CREATE TABLE statement_refs (
    ref    text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (ref, digest)
);
CREATE INDEX statement_refs_digest ON statement_refs (digest);

CREATE TABLE parties (
    fingerprint text COLLATE "C" PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE,
    statement   text COLLATE "C" NOT NULL,
    created_ms  bigint NOT NULL,
    revoked     boolean NOT NULL
);
CREATE INDEX parties_statement ON parties (statement);

-- The last seq of each mailbox. Whoever delivers holds the row until its commit.
CREATE TABLE mailboxes (
    owner text COLLATE "C" PRIMARY KEY,
    last  bigint NOT NULL
);

CREATE TABLE mailbox (
    owner   text COLLATE "C" NOT NULL,
    seq     bigint NOT NULL,
    job     text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    sender  text COLLATE "C" NOT NULL,
    body    bytea NOT NULL,
    PRIMARY KEY (owner, seq)
);
CREATE INDEX mailbox_job ON mailbox (job, kind) WHERE job <> '';

CREATE TABLE notices (
    job    text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    count  bigint NOT NULL,
    PRIMARY KEY (job, sender)
);

CREATE TABLE jobs (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest       text COLLATE "C" NOT NULL UNIQUE,
    contract     text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL,
    envelope     bytea NOT NULL,
    submitted_ms bigint NOT NULL,
    expires_ms   bigint NOT NULL,
    state        text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    attempts     bigint NOT NULL,
    lease        text COLLATE "C" NOT NULL,
    host         text COLLATE "C" NOT NULL,
    until_ms     bigint NOT NULL,
    code         text COLLATE "C" NOT NULL,
    ended_ms     bigint NOT NULL
);
CREATE INDEX jobs_open ON jobs (state, seq) WHERE state IN ('queued', 'leased');

CREATE TABLE job_parties (
    job   text COLLATE "C" NOT NULL,
    party text COLLATE "C" NOT NULL,
    role  bigint NOT NULL,
    PRIMARY KEY (job, party)
);

CREATE TABLE stages (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job     text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    name    text COLLATE "C" NOT NULL,
    at_ms   bigint NOT NULL
);
CREATE INDEX stages_job ON stages (job, n);

-- Batches of messages that were sent, while their attempt lasts.
CREATE TABLE sent (
    job text COLLATE "C" NOT NULL,
    id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (job, id)
);

CREATE TABLE replies (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job     text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    sender  text COLLATE "C" NOT NULL,
    ref     bigint NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    body    bytea NOT NULL,
    UNIQUE (job, sender, ref)
);

CREATE TABLE artifacts (
    job  text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (job, name)
);

-- What remembers that a signature was used, and what signatures are made for: a crash, a failover and a restored copy empty
-- both together, so that no signature outlives the memory of its use.
CREATE UNLOGGED TABLE presence (
    one      boolean PRIMARY KEY CHECK (one),
    instance text COLLATE "C" NOT NULL,
    seen_ms  bigint NOT NULL
);

CREATE UNLOGGED TABLE nonces (
    key   bytea NOT NULL,
    nonce bytea NOT NULL,
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (key, nonce)
);
CREATE INDEX nonces_at ON nonces (at);

ALTER TABLE statements ALTER COLUMN envelope SET STORAGE EXTERNAL;
ALTER TABLE jobs ALTER COLUMN envelope SET STORAGE EXTERNAL;
ALTER TABLE mailbox ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE replies ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE artifacts ALTER COLUMN body SET STORAGE EXTERNAL;

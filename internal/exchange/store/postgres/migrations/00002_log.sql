-- +goose Up
-- What was accepted, and where it stands in the log: idx is -1 until it has a place.
CREATE TABLE log_entries (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL,
    about      text COLLATE "C" NOT NULL,
    job        text COLLATE "C" NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    salt       bytea NOT NULL,
    commitment bytea NOT NULL,
    idx        bigint NOT NULL,
    time_ms    bigint NOT NULL
);
CREATE UNIQUE INDEX log_entries_idx ON log_entries (idx) WHERE idx >= 0;
CREATE INDEX log_entries_waiting ON log_entries (id) WHERE idx < 0;
CREATE INDEX log_entries_about ON log_entries (about, id) WHERE about <> '';
CREATE INDEX log_entries_job ON log_entries (job) WHERE job <> '';
CREATE UNIQUE INDEX log_entries_own ON log_entries (owner, commitment) WHERE owner <> '';

-- The next place, and the time of the last one. Who gives places holds the row until its commit.
CREATE TABLE log_state (
    one     integer PRIMARY KEY CHECK (one = 1),
    next    bigint NOT NULL,
    time_ms bigint NOT NULL
);
INSERT INTO log_state (one, next, time_ms) VALUES (1, 0, 0);

CREATE TABLE log_checkpoints (
    size  bigint PRIMARY KEY,
    note  bytea NOT NULL,
    at_ms bigint NOT NULL,
    round boolean NOT NULL
);

CREATE TABLE log_cosignatures (
    size        bigint NOT NULL,
    party       text COLLATE "C" NOT NULL,
    line        text NOT NULL,
    key         text NOT NULL,
    certificate bytea NOT NULL,
    PRIMARY KEY (size, party)
);

-- +goose Up
-- What parties did in a period; earlier periods are removed with the first use of a later one.
CREATE TABLE uses (
    party  text COLLATE "C" NOT NULL,
    what   text COLLATE "C" NOT NULL,
    period bigint NOT NULL,
    used   bigint NOT NULL,
    PRIMARY KEY (party, what, period)
);

-- Objects of the lake, as they count for their owners.
CREATE TABLE stored (
    path  text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    bytes bigint NOT NULL
);
CREATE INDEX stored_owner ON stored (owner, bytes);

CREATE INDEX mailbox_sender ON mailbox (owner, sender);

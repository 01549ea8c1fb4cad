-- +goose Up
-- Balances change with postings alone, and postings never change: the triggers see to both.
CREATE TABLE money_accounts (
    name    TEXT PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (balance >= 0 OR name = 'operator')
) STRICT, WITHOUT ROWID;

CREATE TABLE postings (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    reference TEXT NOT NULL UNIQUE,
    kind      TEXT NOT NULL,
    source    TEXT NOT NULL,
    target    TEXT NOT NULL CHECK (target <> source),
    amount    INTEGER NOT NULL CHECK (amount > 0),
    about     TEXT NOT NULL,
    statement TEXT NOT NULL,
    at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX postings_source ON postings (source, seq);
CREATE INDEX postings_target ON postings (target, seq);
CREATE INDEX postings_about ON postings (about, seq) WHERE about <> '';

-- +goose StatementBegin
CREATE TRIGGER postings_move AFTER INSERT ON postings BEGIN
    INSERT INTO money_accounts (name, balance) VALUES (NEW.source, 0) ON CONFLICT DO NOTHING;
    INSERT INTO money_accounts (name, balance) VALUES (NEW.target, 0) ON CONFLICT DO NOTHING;
    UPDATE money_accounts SET balance = balance - NEW.amount WHERE name = NEW.source;
    UPDATE money_accounts SET balance = balance + NEW.amount WHERE name = NEW.target;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER postings_stay BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings never change'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER postings_last BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings never go'); END;
-- +goose StatementEnd

CREATE TABLE orders (
    digest     TEXT PRIMARY KEY,
    buyer      TEXT NOT NULL,
    owner      TEXT NOT NULL,
    contract   TEXT NOT NULL,
    provider   TEXT NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    held       INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    settlement TEXT NOT NULL,
    charged    INTEGER NOT NULL CHECK (charged BETWEEN 0 AND amount),
    refunded   INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND charged),
    ended_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_due ON orders (expires_ms) WHERE ended_ms = 0;
CREATE INDEX orders_buyer ON orders (buyer);

-- What was charged for, once of an order.
CREATE TABLE order_charges (
    order_digest TEXT NOT NULL,
    ref          TEXT NOT NULL,
    PRIMARY KEY (order_digest, ref)
) STRICT, WITHOUT ROWID;

-- +goose Up
-- Balances change with postings alone, and postings never change: the triggers see to both.
CREATE TABLE money_accounts (
    name    text COLLATE "C" PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0 OR name = 'operator')
);

-- Their seqs come from a counter whose row stays locked to the commit: nobody sees one before another with a lower seq.
INSERT INTO counters (name, last) VALUES ('postings', 0);
CREATE TABLE postings (
    seq       bigint PRIMARY KEY,
    reference text COLLATE "C" NOT NULL UNIQUE,
    kind      text COLLATE "C" NOT NULL,
    source    text COLLATE "C" NOT NULL,
    target    text COLLATE "C" NOT NULL CHECK (target <> source),
    amount    bigint NOT NULL CHECK (amount > 0),
    about     text COLLATE "C" NOT NULL,
    statement text COLLATE "C" NOT NULL,
    at_ms     bigint NOT NULL
);
CREATE INDEX postings_source ON postings (source, seq);
CREATE INDEX postings_target ON postings (target, seq);
CREATE INDEX postings_about ON postings (about, seq) WHERE about <> '';

-- +goose StatementBegin
CREATE FUNCTION move_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO money_accounts (name, balance) VALUES (NEW.source, 0), (NEW.target, 0) ON CONFLICT DO NOTHING;
    UPDATE money_accounts SET balance = balance - NEW.amount WHERE name = NEW.source;
    UPDATE money_accounts SET balance = balance + NEW.amount WHERE name = NEW.target;
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION keep_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'postings never change';
END $$;
-- +goose StatementEnd
CREATE TRIGGER postings_move AFTER INSERT ON postings FOR EACH ROW EXECUTE FUNCTION move_posting();
CREATE TRIGGER postings_stay BEFORE UPDATE OR DELETE ON postings FOR EACH ROW EXECUTE FUNCTION keep_posting();
CREATE TRIGGER postings_last BEFORE TRUNCATE ON postings FOR EACH STATEMENT EXECUTE FUNCTION keep_posting();

CREATE TABLE orders (
    digest     text COLLATE "C" PRIMARY KEY,
    buyer      text COLLATE "C" NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    contract   text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    amount     bigint NOT NULL CHECK (amount > 0),
    held       boolean NOT NULL,
    expires_ms bigint NOT NULL,
    settlement text COLLATE "C" NOT NULL,
    charged    bigint NOT NULL CHECK (charged BETWEEN 0 AND amount),
    refunded   bigint NOT NULL CHECK (refunded BETWEEN 0 AND charged),
    ended_ms   bigint NOT NULL
);
CREATE INDEX orders_due ON orders (expires_ms) WHERE ended_ms = 0;
CREATE INDEX orders_buyer ON orders (buyer);

-- What was charged for, once of an order.
CREATE TABLE order_charges (
    order_digest text COLLATE "C" NOT NULL,
    ref          text COLLATE "C" NOT NULL,
    PRIMARY KEY (order_digest, ref)
);

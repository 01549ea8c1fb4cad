-- +goose Up
-- What is being done with a path of the lake, by one at a time: uploads, with their room beside what is there, and removals, with none.
-- One whose time is over was cut off.
CREATE TABLE reservations (
    id       TEXT PRIMARY KEY,
    path     TEXT NOT NULL UNIQUE,
    owner    TEXT NOT NULL,
    bytes    INTEGER NOT NULL CHECK (bytes >= 0),
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_owner ON reservations (owner, bytes);
CREATE INDEX reservations_until ON reservations (until_ms);

-- What was said of an order, each at most so often.
ALTER TABLE orders ADD COLUMN closing TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN refunds INTEGER NOT NULL DEFAULT 0;
UPDATE orders SET
    closing = COALESCE((SELECT MIN(s.digest) FROM statement_refs r JOIN statements s ON s.digest = r.digest WHERE r.ref = orders.digest AND s.kind = 'closing'), ''),
    refunds = (SELECT COUNT(*) FROM statement_refs r JOIN statements s ON s.digest = r.digest WHERE r.ref = orders.digest AND s.kind = 'refund');
CREATE INDEX orders_open ON orders (buyer) WHERE ended_ms = 0;

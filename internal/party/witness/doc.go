// Package witness watches the exchange's log for a party, and cosigns what it found consistent.
//
// Sees in clear: leaves, which are commitments; salts and digests of the party's own statements. Never sees: keys, rows, queries.
// Trusts: the log's key that it pinned when it saw it first, its own files and clock. Not the exchange.
// If it fails: nothing is cosigned, and contracts that want this party's word have no account that can be shown. If it is wrong: an
// exchange can leave out, exchange or back-date what it accepted.
// Spec: docs/spec/log.md, section 4.
package witness

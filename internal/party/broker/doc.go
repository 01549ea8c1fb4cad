// Package broker answers enclaves that ask for an owner's keys, and for the body
// of the party's own jobs. Each answer rests on this party's own compilation,
// policy, ledger and clock.
//
// Sees in clear: the SQL that asks for the owner's data; column keys, for the time of one release. Never sees: values, results.
// Trusts: verified evidence, fingerprints that the contract pins, the party's own ledger. Not the exchange, the host, or the clock of either.
// If it fails: no key leaves. If it is wrong: columns open that nobody granted, or an exposure goes unseen.
// Spec: docs/spec/messages.md, docs/spec/ledger.md.
package broker

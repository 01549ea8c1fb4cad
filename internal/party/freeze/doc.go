// Package freeze stops all releases of a party at once, and lets them go on: by the mark in its home, which the broker reads before
// each ready and each release, and an entry in its ledger.
//
// Sees in clear: why a party froze. Never sees: keys, values.
// Trusts: whoever can write the party's home. Not the exchange, not a requester.
// If it fails: releases stay stopped. If it is wrong: keys leave a party that stopped them.
// Spec: docs/spec/ledger.md, section 7.
package freeze

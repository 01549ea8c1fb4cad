// Package repair lets a party go on with a ledger that lost entries: it takes from receipt bundles what they prove, and counts
// everything else that the lost entries may have said as said.
//
// Sees in clear: ledger entries, statements of receipt bundles. Never sees: keys, values, SQL.
// Trusts: what the party itself signed. Not whoever hands over the bundles; not the clock, where acknowledgements contradict it.
// If it fails: the ledger stays as it is, and nothing is released. If it is wrong: a budget that was spent is there again.
// Spec: docs/spec/ledger.md, section 6.
package repair

// Package ledger is the owner's own account of what left its hands: grants,
// charges, releases of keys, receipts that closed them, and refusals. It is
// append-only and chained by hashes; what Append returned is on the disk.
//
// Sees in clear: digests, names, times, numbers, reasons of refusals. Never sees: keys, values, SQL.
// Trusts: the disk to keep what was synced, and, where machines share it, to show a new name to all of them. Not its contents: they are verified whole at every open.
// If it fails: nothing is granted or released. If it is wrong: an exposure could go unseen, or a job be charged twice.
// A folder restored from an older copy passes verification: compare the head that 'ledger verify' prints with one noted elsewhere.
// Spec: docs/spec/ledger.md.
package ledger

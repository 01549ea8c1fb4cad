// Package meter measures what a receipt states about time and memory.
//
// Sees in clear: counts of bytes and the process's clock. Never sees: keys, values.
// Trusts: the clock and the kernel, which are the host's. That is why receipts name the clock's class, and owners bound the time themselves.
// If it fails: there is no receipt, so no result. If it is wrong: a receipt states another duration or size than there was.
// Spec: docs/spec/receipt.md.
package meter

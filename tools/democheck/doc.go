// Command democheck checks what the demo left in out/ without the code that made
// it: it recomputes every released and suppressed cell from the CSV with plain
// DuckDB and its own reading of the release rules, verifies every receipt with
// pinned fingerprints alone, and searches all that left the owners for their values.
//
// Sees in clear: the demo's CSV and all of out/.
// Trusts: the CSV. Not the compiler, the release rules or the enclave: it imports none of them.
// If it fails: the demo fails. If it is wrong: the demo could show wrong numbers.
// Spec: docs/spec/release-rules.md; docs/spec/receipt.md.
package main

// Package cli is the command line: flags, wiring, texts and exit codes. What decides lives in the packages of the zones.
//
// Sees in clear: what the agent of the same user hands it: results, receipts, ledgers; files of `cordon parquet`, with their keys.
// Never sees: the keyring, but for the moment in which `party serve` and `host serve` unlock it.
// Trusts: the agent behind the socket in the party's home.
// If it fails: nothing was done. If it is wrong: a person is misled.
// Spec: docs/cli.md.
package cli

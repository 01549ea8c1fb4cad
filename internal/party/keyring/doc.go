// Package keyring is the embedded key store: one file, protected by a passphrase
// (age, scrypt), with the party's signing seed, its box key and its key
// encryption keys (KEKs). A root key that certifies that signing key may lie in a
// file of its own, as each officer's key does.
//
// Sees in clear: all private keys of the party, while the agent runs. Never sees: column keys, values.
// Trusts: filippo.io/age and the passphrase.
// If it fails: the agent does not start. If it is wrong: whoever has the file has the party's keys.
// Spec: docs/spec/keyring.md.
package keyring

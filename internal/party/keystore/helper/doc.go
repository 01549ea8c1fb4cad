// Package helper is a key store that a helper process reaches: a token through its vendor's module, a server through its client. No
// code but Cordon's own, and no credentials of the store, are then in the process that has the party's keys.
//
// Sees in clear: version keys, for the time of a call. Never sees: PINs, credentials, keys of the store, values.
// Trusts: the helper, which lies beside the program.
// If it fails: no key is released, and the agent goes on. If it is wrong: a version key could be opened under another name.
// Spec: docs/spec/key-stores.md, section 4. Why: docs/decisions/040-helpers.md.
package helper

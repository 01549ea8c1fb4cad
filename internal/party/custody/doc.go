// Package custody opens the key store that a party chose, and changes what wraps its version keys: a new key encryption key, or
// another store. Data is never touched.
//
// Sees in clear: version keys, for the time of one re-wrapping; the keyring. Never sees: column keys, values.
// Trusts: the keyring, the home folder, and the stores that it opens, each only for what it wrapped itself.
// If it fails: the keys stay as they were, and all versions open. If it is wrong: a version key is lost, or stays wrapped by a key that was to go.
// Spec: docs/spec/key-stores.md, sections 2 and 6.
package custody

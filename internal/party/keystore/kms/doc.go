// Package kms is a key store whose key encryption key is kept by a server: HashiCorp Vault's or OpenBao's transit engine, or a
// cloud's key management service. A helper process, cordon-kms, speaks to it, so that neither the clouds' libraries nor the
// credentials for them are in the process that has the party's keys.
//
// Sees in clear: version keys, for the time of a call. Never sees: credentials, the server's keys, values.
// Trusts: the helper beside the program. The server sees version keys, and so could open what it has the ciphertext of.
// If it fails: no key is released, and the agent goes on. If it is wrong: a version key could be opened under another name.
// Spec: docs/spec/key-stores.md, section 5.
package kms

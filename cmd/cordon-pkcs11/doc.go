// Command cordon-pkcs11 is what an agent starts to speak to a PKCS#11 token. It loads the vendor's module, so that no code but
// Cordon's own runs in the agent, which holds the party's keys.
//
// Sees in clear: the token's PIN; version keys, for the time of a call. Never sees: the party's other keys, values, the network.
// Trusts: its parent, whose end ends it; the vendor's module.
// If it fails: the agent says so, and releases nothing. If it is wrong: see internal/token.
// Spec: docs/spec/key-stores.md, section 3.
package main

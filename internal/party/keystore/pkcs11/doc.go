// Package pkcs11 is a key store whose key encryption keys lie in a PKCS#11 token and never leave it. It is pure Go: the
// vendor's module is loaded by a helper process, cordon-pkcs11. A party's signing key can lie in a token, too (SigningKey).
//
// Sees in clear: version keys, for the time of a call. Never sees: the token's PIN, its keys, values.
// Trusts: the helper beside the program, the module that the URI names, the token.
// If it fails: no key is released, and the agent goes on. If it is wrong: a version key could be opened under another name.
// Spec: docs/spec/key-stores.md, sections 3 and 9. Why a helper: docs/decisions/040-helpers.md.
package pkcs11

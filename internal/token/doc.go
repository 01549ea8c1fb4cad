// Package token is the helper's side of a PKCS#11 token: it logs in, makes key encryption keys inside the token, and has it
// encrypt and decrypt version keys; or it makes a signing key there, and has the token sign. It needs cgo, since vendors' modules are C libraries: only cmd/cordon-pkcs11 imports it.
//
// Sees in clear: the token's PIN; version keys and what is to be signed, for the time of a call. Never sees: the token's keys, the party's other keys, values.
// Trusts: the vendor's module, which runs in this process and in no other, and the token.
// If it fails: no key is wrapped or unwrapped. If it is wrong: version keys could be read by whoever has the wrapped ones.
// Spec: docs/spec/key-stores.md, sections 3 and 9.
package token

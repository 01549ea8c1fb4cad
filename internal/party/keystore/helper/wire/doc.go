// Package wire is what an agent and a helper that reaches a key store say to each other over the helper's standard input and output:
// one request, one reply, each a length and strict JSON.
//
// Sees in clear: the version key of one call. Never sees: PINs, credentials, keys of the store.
// Trusts: nothing it reads: sizes are bounded, and what does not re-encode to the same bytes is refused.
// If it fails: no key is wrapped or unwrapped. If it is wrong: a reply could be taken for another.
// Spec: docs/spec/key-stores.md, section 4.
package wire

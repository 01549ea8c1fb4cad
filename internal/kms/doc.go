// Package kms is the helper's side of keys that a server keeps: it has the server encrypt and decrypt version keys, each with the
// digest of its name beside it. Only cmd/cordon-kms imports it, since it brings the libraries of three clouds.
//
// Sees in clear: version keys, for the time of a call; credentials for the server. Never sees: the party's other keys, values.
// Trusts: TLS and the roots of the machine, or those of ca-file; the server, which sees version keys.
// If it fails: no key is wrapped or unwrapped. If it is wrong: a version key could be opened under another name.
// Spec: docs/spec/key-stores.md, section 5.
package kms

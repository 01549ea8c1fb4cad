// Package channel holds the words that an enclave and its host exchange over their one duplex stream: paths, messages,
// bounds. The host's side is internal/host/channel, the enclave's is internal/enclave/link; this package is all they share.
//
// Sees in clear: statements, sealed messages, object names. Never sees: keys, values, SQL.
// Trusts: nobody. Whoever decodes a message checks what it relies on.
// If it fails: the job ends without a result. If it is wrong: a host could make an enclave read something it did not say.
// Spec: docs/spec/channel.md.
package channel

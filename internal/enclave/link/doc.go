// Package link is the enclave's end of the channel: a client of the host over the one stream that the enclave was born with.
//
// Sees in clear: what it carries: statements, sealed messages, ciphertext. Never sees: keys, values.
// Trusts: nobody. Every answer is bounded and strictly decoded; what it means, package brief and its callers decide.
// If it fails: the job ends without a result. If it is wrong: a host could fill the enclave's memory or stall it.
// Spec: docs/spec/channel.md.
//
// It dials nothing, resolves no name and listens on nothing: there is one connection, and it exists already.
package link

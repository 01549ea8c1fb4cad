// Package client calls the exchange: one method per endpoint, signed by the
// caller's party key, retried where a repeat does no harm.
//
// Sees in clear: what its caller hands over: envelopes, sealed messages, ciphertext. Never sees: keys that open anything.
// Trusts: its caller. Not the exchange: every statement that comes back is the caller's to verify.
// If it fails: the call ends with a typed error in bounded time. If it is wrong: the exchange could take a call for another one.
// Spec: docs/spec/exchange-api.md.
package client

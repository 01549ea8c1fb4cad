// Package store is the seam behind which the exchange keeps statements,
// mailboxes, jobs and artifacts. Package sqlite is the embedded one; package
// storetest holds what every implementation must do.
//
// Sees in clear: envelopes, sealed messages, who sent them to whom and when. Never sees: keys, values, results, SQL.
// Trusts: the exchange, which has checked every signature and permission before it calls.
// If it fails: the call fails and has written nothing. If it is wrong: statements could be lost or shown to a party
// that they do not concern; nobody could forge one.
// Spec: docs/spec/exchange-api.md, sections 6 and 7.
package store

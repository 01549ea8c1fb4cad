// Package partytest is an exchange in memory for tests of the party: as dumb and
// as untrusted as a real one, and as easy to make misbehave.
//
// Sees in clear: what tests give it. Never sees: anything of anyone.
// Trusts: nothing. If it fails: a test fails. If it is wrong: a test proves less than it says.
// Spec: docs/spec/exchange-api.md, the party's side.
package partytest

// Package failure is the one shape of errors that leave an enclave: a coarse code, and perhaps the name of a party.
//
// Sees in clear: nothing but fixed words and names of parties. Never sees: keys, values, SQL.
// Trusts: its callers to make codes of protocol and policy alone.
// If it fails: an operator reads "internal". If it is wrong: a code says something about data.
// Spec: docs/spec/channel.md, section 6.
package failure

// Package wire is the exchange's HTTP interface in types: requests, answers,
// error codes, and the bytes that a caller signs. Server and client share it.
//
// Sees in clear: what the exchange sees: names, digests, sizes, times, signatures. Never sees: keys, values, results, SQL.
// Trusts: nobody; it only gives bytes a form.
// If it fails: a request or an answer is refused. If it is wrong: a signature could be read as covering another request.
// Spec: docs/spec/exchange-api.md.
package wire

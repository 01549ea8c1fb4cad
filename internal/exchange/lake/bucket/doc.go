// Package bucket is the lake in a bucket of an S3 server.
//
// Sees in clear: what package lake sees; the credentials of the bucket. Never sees: keys, values.
// Trusts: the server to keep what it confirmed, and to write nothing over what is there where it was asked not to; it is asked
// once at the start, and refused where it does. Not the server with the content, as package lake says.
// If it fails: the call fails, and no part of a file is visible. If it is wrong: as package lake says.
// Spec: docs/spec/exchange-api.md, section 5.
package bucket

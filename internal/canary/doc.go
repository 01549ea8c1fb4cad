// Package canary searches bytes for values that must not be there: planted or
// known values, in the encodings in which they might have leaked.
//
// Sees in clear: the values it is told to look for, and all that it searches. Used by tests and by the demo's checker only.
// Trusts: nothing.
// If it fails: a leak goes unnoticed, which is why a test leaks on purpose and must find it.
// If it is wrong: false alarms.
// Spec: docs/threat-model.md, section "How leaks are looked for".
package canary

// Package e2e runs the programs as their users do, each a process of its own, and looks from outside at what they let out:
// in memory, on disk, in logs, in receipts and on the wire. It has tests only.
//
// Sees in clear: values that its tests make up. Never sees: data of anyone.
// Trusts: package canary to find what is there, which the leaks that a test makes on purpose show.
// If it fails: a test fails. If it is wrong: a leak goes unnoticed.
// Spec: docs/threat-model.md, section "How leaks are looked for".
package e2e

// Package machinetest has machines of our own making, one of each kind of evidence: roots that nobody but a test pins, and quotes and
// collateral under them. With it the way from an attester to a verified receipt is tested without hardware.
//
// Sees in clear: keys that it makes itself. Never sees: any others.
// Trusts: nothing. If it fails: a test fails. If it is wrong: a test passes that should not.
// Spec: docs/spec/evidence.md, sections 7 and 8.
package machinetest

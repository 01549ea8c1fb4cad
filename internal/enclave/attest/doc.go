// Package attest has the machine that the enclave is, or runs in, vouch for it: one attester for each kind of machine.
//
// Sees in clear: report data, quotes, public keys. Never sees: keys, values, results, SQL.
// Trusts: nobody. A quote is the machine's word; its vendor's root and the brokers say what it is worth.
// If it fails: there is no evidence, so no key arrives. If it is wrong: evidence does not verify.
// Spec: docs/spec/evidence.md, section 8; docs/spec/perimeter-vm.md, section 5.
//
// Everything that an attester opens it opens before the enclave's system call filter is in force.
package attest

// Package simulated makes and verifies evidence that a host's operator signs
// itself, without any hardware. It proves nothing against that operator: an
// operator with root can sign whatever it likes and read the memory of the
// enclave. It exists so that the whole path can run, and be tested, anywhere.
//
// Sees in clear: measurements and public keys. Never sees: data keys, values.
// Trusts: the operator. That is why it must be asked for by name, and why every
// receipt over it says SIMULATED.
// If it fails: no key is released. If it is wrong: no worse than what an operator of simulated evidence can do anyway.
// Spec: docs/spec/evidence.md, section 3.
package simulated

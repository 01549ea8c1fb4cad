// Package hosted puts what an attester inside an enclave obtained from its machine (a quote) into evidence that also says whose
// machine it is: a report that the host's operator signs over the quote. The quote proves the enclave, by its vendor's root; the
// operator's signature proves the operator, and nothing about the enclave.
//
// Sees in clear: quotes, measurements, public keys. Never sees: data keys, values.
// Trusts: the verifier of the quote's kind that it is given. Of the operator it takes who it is and the form of the perimeter, which
// no hardware shows; build and report data must be the quote's.
// If it fails: no key is released. If it is wrong: another enclave, or one for another job, than the quote shows gets keys.
// Spec: docs/spec/evidence.md, section 8.
package hosted

// Package tpm verifies quotes of TPM 2.0: of one whose attestation key is pinned, and of Azure's virtual TPM, whose key is bound
// to the evidence of the machine it runs in.
//
// Sees in clear: quotes, register values and public keys. Never sees: keys, rows.
// Trusts: the attestation key its caller pins, or the verifier of the machine's own evidence that its caller gives.
// If it fails: a quote is refused. If it is wrong: a machine that started something else is taken for the one agreed to.
// Spec: docs/spec/evidence-kinds.md, section 5.
package tpm

// Package dcap verifies quotes of Intel SGX and TDX (DCAP: SGX v3 and v4, TDX v4 and v5) with recorded collateral. Verify says
// whether a quote is genuine and how current its machine is, Appraise whether that is good enough.
//
// Sees in clear: quotes and collateral, which are public. Never sees: keys, rows.
// Trusts: the root it is given (Intel's by default) and the clock of its caller. It does not dial: collateral is handed in.
// If it fails: no SGX or TDX enclave gets keys. If it is wrong: something else than an enclave gets them.
// Spec: docs/spec/evidence.md, section 7.
package dcap

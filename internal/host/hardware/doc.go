// Package hardware starts enclaves on confidential hardware: as SGX enclaves under Gramine, as guests under SEV-SNP and TDX, as Nitro
// enclaves. It has never run on such hardware: what is tested is what it asks for, what it would start, and that it refuses elsewhere.
//
// Sees in clear: nothing. The channel's bytes pass through the caller, sealed.
// Never sees: keys, values, results, SQL.
// Trusts: the programs that it starts, with nothing: owners judge the hardware's own evidence.
// If it fails: no enclave starts. If it is wrong: evidence does not verify, and no key leaves an owner.
// Spec: docs/cli.md, "host serve"; docs/spec/perimeter-vm.md, sections 3 and 8.
package hardware

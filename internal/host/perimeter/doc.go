// Package perimeter starts an enclave as a sandboxed process with one duplex channel.
//
// Sees in clear: nothing. The channel's bytes pass through the caller, sealed.
// Never sees: keys, values, results, SQL.
// Trusts: the kernel it runs on. It gives no attestation: its evidence is of kind simulated, and root on this
// machine, or the user who starts the enclave, can read the enclave's memory.
// If it fails: no enclave starts. If it is wrong: a flaw in the enclave's code could reach the network, the disk or
// another process, and a receipt would name a protection that was not in force.
// Spec: docs/spec/perimeter-process.md.
//
// An enclave starts in two steps. The host runs its own binary again as a first stage (StageMain) in new namespaces.
// The stage does what a process can only do to itself before it has threads of its own that matter: an empty root,
// Landlock, limits, no capabilities, no_new_privs. Then it turns into the enclave by executing the very bytes that
// were measured. The enclave adds the last layer itself (package lockdown): its system call filter.
//
// Where a machine lacks something, Start refuses with a MissingError. A weaker perimeter is asked for by name in a
// Request, and everything that is or is not in force stands in the Form.
package perimeter

// Package guest is the enclave as the first and only process of a virtual machine: it measures itself into the machine's TPM, opens the
// channel to the host, gives up every right, and becomes the enclave proper by executing itself.
//
// Sees in clear: nothing; it runs before the first key arrives. Never sees: keys, values, results, SQL.
// Trusts: the kernel that it was started with. Not the host: what is missing ends the machine.
// If it fails: the machine stops before it asks for anything. If it is wrong: a flaw in the engine could reach a device of the machine.
// Spec: docs/spec/perimeter-vm.md, sections 3 and 4.
//
// Nothing here runs unless the process is number 1, was started as /init, and was given the word of a perimeter that is a machine.
package guest

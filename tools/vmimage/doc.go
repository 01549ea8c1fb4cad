// Command vmimage makes the image of a virtual machine whose only process is the enclave, and says how it is measured. It needs no root
// and installs nothing.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: the pinned digest of the kernel's package. If it fails: there is no image. If it is wrong: owners pin another program than starts.
// Spec: docs/spec/perimeter-vm.md, section 2.
package main

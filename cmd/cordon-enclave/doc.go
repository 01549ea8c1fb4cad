// Command cordon-enclave is the one program that ever holds a value of another party. A host starts it inside a perimeter,
// with connected sockets as descriptors 3 and 4 and the name of the perimeter as its only argument; by itself it does nothing.
//
// Sees in clear: the granted columns and the SQL of one job, its result. Never sees: the network, the disk, another job.
// Trusts: signatures of the parties that the contract pins. Not the host that started it.
// If it fails: it exits; what it held is gone. If it is wrong: the released columns of one job are lost, no more.
// Spec: docs/spec/channel.md, docs/spec/perimeter-process.md.
package main

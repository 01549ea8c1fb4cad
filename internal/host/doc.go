// Package host takes jobs from the exchange, starts one enclave for each, and relays what the two have to say to each other.
//
// Sees in clear: names, sizes, times, statements, coarse stages. Never sees: keys, values, SQL, results: all of it passes sealed.
// Trusts: the exchange with its own time; the enclave with nothing: it is bounded in what it can use and send.
// If it fails: its jobs go back to the queue, and an exposure may stand open in owners' ledgers. If it is wrong: no worse than
// a hostile host, which every other part of Cordon expects.
// Spec: docs/spec/channel.md.
package host

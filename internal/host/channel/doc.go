// Package channel is the host's end of the channel to one enclave: an HTTP/2 server on one connection that relays to a Backend.
//
// Sees in clear: names, sizes, times, statements. Never sees: keys, values, SQL: what passes is sealed between enclave and brokers.
// Trusts: nobody. The enclave is bounded in what it can send, because an enclave that an attacker took over would use every byte as a way out.
// If it fails: the job ends without a result. If it is wrong: an enclave could send more, or to others, than its job needs.
// Spec: docs/spec/channel.md.
package channel

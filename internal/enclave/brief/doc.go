// Package brief turns what a host handed over into what the enclave may believe: one job under one contract.
//
// Sees in clear: statements, policies, schemas. Never sees: keys, values, SQL.
// Trusts: signatures of the parties that the contract names by fingerprint. Not the host, nor the exchange behind it: a
// statement that is missing, altered or of somebody else ends the job.
// If it fails: no broker is asked for anything. If it is wrong: a host could put its own offer, pool or box key in the place of a party's.
// Spec: docs/spec/channel.md, section 4.
//
// Which contract is the right one, the enclave cannot know: brokers release keys only for the contract that they granted,
// and the requester opens results only of the job that it signed.
package brief

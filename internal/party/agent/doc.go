// Package agent is the party's one long-running process: it unlocks the keyring
// once, answers for the party at the exchange, and serves its command line over
// a local socket. It opens no port: it only calls out.
//
// Sees in clear: all keys of the party; its own data while it publishes; results sealed to it. Never sees: data of others.
// Trusts: the keyring, the home folder, and whoever may open the socket in it. Not the exchange.
// If it fails: the party does not answer, and jobs that need it end without a result. If it is wrong: see broker, publish and results.
// Spec: docs/spec/agent-api.md.
package agent

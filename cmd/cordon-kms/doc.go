// Command cordon-kms is what an agent starts to have a server's key wrap its version keys: Vault's, or a cloud's. The libraries of
// the clouds, and the credentials, are in this process and not in the agent.
//
// Sees in clear: version keys, for the time of a call; credentials for the server. Never sees: the party's other keys, values.
// Trusts: its parent, whose end ends it; the server.
// If it fails: the agent says so, and releases nothing. If it is wrong: see internal/kms.
// Spec: docs/spec/key-stores.md, section 5.
package main

// Package agentclient is how the command line talks to the party's agent: JSON
// over HTTP over a Unix socket that only the party's own user can reach.
//
// Sees in clear: what the user asks and gets: SQL, results. Never sees: keys, passphrases, rows.
// Trusts: the agent behind the socket of the home folder.
// If it fails: the command ends with the agent's error, hint and exit code. If it is wrong: a command shows something else than the agent said.
// Spec: docs/spec/agent-api.md.
package agentclient

// Package officers holds a party to dual control: what a list of officers names, the agent signs only when enough of them
// approved exactly that payload.
//
// Sees in clear: what is to be signed. Never sees: keys that open data, values. Officers' private keys stay with the officers.
// Trusts: the ledger for which list is in force, officers' signatures for the rest. Not who talks to the agent.
// If it fails: nothing is signed. If it is wrong: one person alone can grant, publish, pool or certify.
// It does not hold whoever has the keyring and its passphrase: they can sign with another program.
// Spec: docs/spec/keyring.md, section 9.
package officers

// Package recovery makes a backup of a party's home folder that only its custodians together can open, and brings the party back
// from it: a fresh key encrypts the backup, and each custodian has a share of that key.
//
// Sees in clear: the keyring, the recovery key. Never sees: values. A custodian's tool sees its own share.
// Trusts: filippo.io/age, the custodians' recipients as its caller gives them, and that fewer custodians than the threshold collude.
// If it fails: no backup, or no party. If it is wrong: fewer custodians than the threshold could be the party.
// Spec: docs/spec/recovery.md.
package recovery

// Package home is the folder in which a party keeps everything: keyring, ledger,
// wrapped keys, settings and the socket of its agent.
//
// Sees in clear: settings, file names. Never sees: keys, passphrases, values.
// Trusts: the file system to keep what was synced, and other users out of a 0700 folder.
// If it fails: the command ends before anything is signed or released. If it is wrong: a crash could lose what a caller believes durable.
// Spec: docs/cli.md, section "The home folder".
package home

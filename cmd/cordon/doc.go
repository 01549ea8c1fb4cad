// Command cordon is the tool of parties, operators, hosts and auditors.
//
// Sees in clear: what the verb's zone may see: a party's own data and keys, ciphertext, receipts. Never sees: values of another party.
// Trusts: its user.
// If it fails: it says what and why, and exits with a documented code. If it is wrong: see the package of the verb.
// Spec: docs/cli.md.
package main

// Package dataset keeps an owner's published versions: the signed offers, and
// the keys of their columns, wrapped.
//
// Sees in clear: column keys, from their making to the end of a publication, and for the time of one release. Never sees: values.
// Trusts: the key store. Not the files: offers carry the owner's signature, wrapped keys authenticate under their names.
// If it fails: nothing is published or released. If it is wrong: a key is lost, or released that was not asked for.
// Spec: docs/spec/keyring.md, section 5.
package dataset

// Package rowsum digests the rows of a table under a secret key, whatever their order: the product of one number for each row.
// Two tables that differ have the same digest for hardly any key, whoever chose their rows without knowing it.
//
// Sees in clear: the owner's rows, and the key.
// Trusts: that who chooses rows knows neither the key nor a digest. A digest is kept as a MAC alone (package dataset).
// If it fails: nothing is published. If it is wrong: a changed version passes for an unchanged one, or the other way round.
// Spec: docs/spec/keyring.md, section 5; why it is safe: docs/decisions/059-product-of-rows.md.
package rowsum

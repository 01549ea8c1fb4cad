// Package keystore is the seam between a party and the place that guards its
// keys: wrap and unwrap one version key. Column and footer keys are wrapped
// under the version key by package dataset, so one call opens one version.
//
// Sees in clear: version keys, for the time of a call. Never sees: values, column keys.
// Trusts: the implementation chosen by the owner.
// If it fails: no key is released. If it is wrong: a version key could be opened under another name.
// Spec: docs/spec/keyring.md, section 4. Every implementation passes keystoretest.
package keystore

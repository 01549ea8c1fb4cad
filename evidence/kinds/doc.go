// Package kinds puts together the verifiers of every kind of evidence, from the roots that its caller pins and the collateral that
// evidence brings or the caller holds.
//
// Sees in clear: evidence and collateral, which are public. Never sees: data keys, values.
// Trusts: the pinned roots, and the packages that verify one kind each. It does not dial: what it looks up is held already.
// If it fails: evidence of hardware is refused. If it is wrong: a machine is taken for another, or for current when it is not.
// Spec: docs/spec/evidence.md, section 8.
package kinds

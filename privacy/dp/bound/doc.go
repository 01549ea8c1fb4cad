// Package bound limits what one unit adds to a release: its parts are joined over rows and owners, at most c of its groups
// are kept, and each part is clamped. After it, a unit more or less changes at most c groups, each by no more than the clamps.
//
// Sees in clear: unit identifiers, group keys, what each unit adds to each group. Never sees: keys, noise.
// Trusts: the caller for clamps and c, which come from policies, never from the data; and that two owners that name one
// identity domain mean the same unit by the same identifier.
// If it fails: nothing is released. If it is wrong: one unit moves a number by more than its noise hides.
// Spec: docs/spec/dp.md, section 6.
package bound

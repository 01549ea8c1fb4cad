// Package budget holds an owner's privacy budgets against its ledger: what a release with noise may still take from a data set,
// by the policies in force and all that was ever charged.
//
// Sees in clear: names of data sets, digests of releases, organisations, costs. Never sees: values, keys, noise, SQL.
// Trusts: the ledger to bring back all charges, and the compiler for what a release costs.
// If it fails: nothing is released. If it is wrong: more is learnt of a unit than its owner allowed.
// Spec: docs/spec/dp.md, section 9, and docs/spec/ledger.md.
package budget

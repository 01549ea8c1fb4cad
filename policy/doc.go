// Package policy compiles an analyst's SQL under the owners' policies into a plan, or refuses it.
//
// The text of the analyst is never executed. It is parsed by a small grammar of our own, every column gets a
// disclosure label, and the aggregates that the owners allow become the release; whatever stands above them sees
// released cells only. Fresh SQL is generated from the plan alone. The analyst's explain, each owner's broker and the
// enclave run this same code and must reach the same plan digest.
//
// Sees in clear: SQL, its constants, policies and schemas. Never sees: rows, cells, keys, results, published statistics.
// Trusts: the caller for what it has verified: which offers and pool a name stands for, who asks, who receives, when.
// If it fails: no plan, so no key is asked for. If it is wrong: a column is opened, or a cell released, that an owner's policy forbids.
// Spec: docs/spec/plan-1.md, docs/spec/policy.md and docs/spec/dp.md, section 13.
package policy

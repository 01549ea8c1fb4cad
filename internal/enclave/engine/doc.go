// Package engine runs one plan over opened columns in a DuckDB of its own, and lets only released cells out.
//
// Sees in clear: the granted columns of one job, their contributions by owner and cell, or what each unit adds where noise is
// asked for, with the noise keys of that job; the released table. Never sees: other keys, ciphertext, SQL that anybody wrote:
// what it executes is generated from the plan.
// Trusts: the plan (package policy), the release rules (package privacy), and DuckDB to compute what it is asked. Not the
// rows: types, bounds and domains are checked before a cell is judged, or values are moved to bounds before noise is drawn.
// If it fails: no table, and an Error whose code says no more than which stage it was. If it is wrong: a cell leaves that
// the rules hide, or SQL means something else than the plan.
// Spec: docs/spec/release-rules.md, section 2; docs/spec/dp.md, section 13.3.
//
// An Engine is for one job: New opens an empty database in memory, Inspect closes what it can and asserts that nothing is in
// it, Limit gives it the job's share of the machine, Bind names the files it may read and locks it, Prepare checks the
// text of one plan's SQL and makes the empty released table, Run answers that plan. Each can be called once, in that order,
// not concurrently. Noise gives a job's noise keys at any time before Run. Limit can be left out; Inspect and Prepare are then
// done by who follows. All but Run need no data, and the first three no plan: they run while others think (open 10 ms, inspect
// 16 ms, prepare 5 ms).
package engine

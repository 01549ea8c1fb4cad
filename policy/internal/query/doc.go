// Package query reads the SQL that analysts may write into a syntax tree with places, and refuses everything else.
// Parse reads the narrow grammar, of which plan/1 is compiled; ParseQuery the whole one, of which plan/2 is.
//
// Sees in clear: the text of one query. Never sees: schemas, policies, rows.
// Trusts: nothing; the text is hostile.
// If it fails: the query is refused. If it is wrong: the plan differs from what the analyst meant; what may leave does not
// rest on it, since the plan is checked and run, never the text.
// Spec: docs/spec/policy.md, sections 5 and 5.1.
package query

// Command corpus judges a file of hostile and legitimate queries by the real compiler and the real engine, over a fixture that
// is published, sealed and opened as an owner's data are. What may be shown it recomputes from the fixture itself.
//
// Sees in clear: the fixture, and everything that is let out. Never sees: real data.
// Trusts: the fixture, the policies as the corpus has them, and plain DuckDB. Of a plan it believes what the program says that a
// release reads, never how the compiler's SQL reads it: it writes SQL of its own. Not the engine, not the release rules.
// If it fails: nothing is judged. If it is wrong: a leak passes for protection; corpus_test.go shows it leaks to be found.
// Spec: docs/spec/policy.md, sections 5.1 and 6; docs/spec/release-rules.md. The corpus's own README says what it expects.
//
// Who asks owns nothing and receives alone. The purpose is that of the first data set that a query names. Each query stands alone,
// but in the classes differencing and noise-averaging.
//
// deny passes if the compiler refuses. It is given no data, so that neither its text nor its time can depend on any. A refusal
// by the engine is too late.
//
// allow passes if the query is accepted, runs, and its answer has a row. suppress passes if it is refused, or runs. Whatever
// runs must pass all of these as well:
//
//   - A value that a release shows is made of rows that satisfy the policies of all data sets read: min_units, distinct units of
//     each owner; and where a policy says so contributors, their shares and p%, by rows for counts and distributions, by the sum
//     of absolute values for sums. Rows without a unit do not count. Conditions inside an aggregate choose its rows.
//   - It is rounded as the policies say, and it is, rounded, the value of those rows.
//   - Where one cell shows a whole and parts of it, the rest satisfies the same rules: one part taken away, and all disjoint ones.
//   - Across releases of a query, what one shows minus the cells within it that another shows does not give what is left, where that
//     is not safe: neither exactly nor, if the policies have a p% rule, to within p%.
//   - The answer has no row that names a planted cohort beside a number, or with no number to hide (ISLES, yacht, S12, K040, vip).
//   - Of data with dp, every release has noise; every data set read is charged what its epsilon is worth, and all releases of the
//     query together take no more, and count a unit in no more groups, than any policy allows; a cell of five units or fewer
//     that the query did not name is not there; the clamp holds; values that are exact five times in a row are taken to have no
//     noise.
//
// differencing: ids that differ in a closing a and b are a pair, which passes if one is refused, or if no difference of values of
// both tells exactly that of rows which are not safe, and the answers' differences are not those of the raw answers. If both values
// are rounded, a difference that is right by chance is a note, as nobody can know it. noise-averaging: all spellings of the class
// give one answer, or each is charged.
//
// A release's values are taken from the same plan with another result, so a value counts as shown even if the query's own result
// leaves it out. Notes (-v) are no failures: an answer that is far from the raw one, or has fewer rows.
package main

// Package exhibit explains evidence on record: of any kind, with the files that it is judged by, check by check, what was proved and
// by whose root; and what evidence says that nobody has proved.
//
// Sees in clear: evidence, which is public. Never sees: keys, rows.
// Trusts: the verifiers of the kinds, whose words it repeats. Its caller, for roots other than the vendors', and for what evidence is
// demanded to be for.
// If it fails: nothing is explained. If it is wrong: a person believes evidence that proves less. No key depends on it.
// Spec: docs/spec/evidence.md, section 9.
//
// It judges by the policy that collections of recorded evidence assume: debug refused unless asked for by name; collateral and lists
// present and current; a machine UpToDate or SWHardeningNeeded. Which program runs for whom is for evidence.Appraise.
package exhibit

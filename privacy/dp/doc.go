// Package dp releases counts, sums and means of groups under differential privacy: whoever reads the answers, and knows
// everything about all units but one, learns almost nothing about that one.
//
// Sees in clear: what each unit adds to each group, for one release; the noise keys. Never sees: rows, SQL.
// Trusts: the specification, which follows from policies and plan; the noise keys, checked against the offers'
// commitments; the caller that the node digest covers all that decides which rows are in which group.
// If it fails: nothing is shown. If it is wrong: a unit's part can be told from the answers.
// Spec: docs/spec/dp.md.
//
// # Order of calls
//
// A broker and the enclave compile the same Spec and Check it. The broker charges the checked Cost under the checked
// Digest to the budget of every data set (package account), and only then gives its noise key. The enclave opens a Release
// with the keys, adds what each unit adds to each group, and takes the table, once.
//
// # What is promised
//
// Two inputs that differ by one unit, with all its rows at all owners of its identity domain, give every table with nearly
// the same probability: within exp(epsilon) for Laplace noise, or rho-zCDP for Gaussian; and but for a chance of delta where
// groups are selected. The probability is over the noise keys. Nothing is refused, rounded or left out because of data, except through
// the noise. Limits on memory are the one exception, and fail closed.
package dp

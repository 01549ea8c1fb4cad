// Package privacy decides which cells of a table may leave the enclave, and in which form.
//
// Sees in clear: what each owner gives to each cell (row and unit counts, sums), for one table. Never sees: rows, SQL, keys.
// Trusts: the numbers of the guard as the plan carries them, and the caller that each part is named after the owner whose
// rows it was computed from. Not the values: an owner may have made up its own rows.
// If it fails: nothing is shown. If it is wrong: a cell leaves from which one owner's part can be computed.
// Spec: docs/spec/release-rules.md.
//
// # The rule
//
// Let R be the requester, the recipients and their affiliates. A cell holds when, counting only owners outside R that are
// recognised,
//
//   - at least n of them contribute (n-1 when R contributes too),
//   - none has more than the capped share of the cell's weight, and
//   - whichever c of them pool what they know (c is the coalition, 1 by default), what the remaining owners give still has
//     at least k units, comes from at least n-c contributors (n-c-1), at least one, and is, without its largest part,
//     at least p % of that largest part.
//
// The last condition is what makes the rule safe against contributors: nobody in the coalition can help the cell across
// a threshold with rows of its own, because its rows do not count when it is the one to be kept out.
//
// An owner that is not recognised may be an invention of the requester, so its rows protect nobody. They may also be real,
// so they are themselves protected like any other's.
//
// # Secondary suppression
//
// The total over every margin is assumed to be known, because it is released elsewhere in the lattice or was published by
// somebody. Total minus shown cells is then the union of the hidden cells, so that union must hold the same rule or have
// nothing in it. While it does not, the smallest shown cell of the margin is hidden too. If all are hidden, nothing is left
// to subtract. Along one margin the shown cells and the union of the hidden ones are all that anybody can compute exactly;
// each of them holds, so no owner's part in any hidden cell can be told closer than the p % rule allows for its part in the
// union, of which the hidden cell's part is a share.
//
// With several dimensions margins cross. Hidden cells then lie in blocks, whole products of which every row and column
// holds, and every margin is made of these and of cells that stand apart: see crossing, and docs/decisions/011.
//
// # What a release of several bases says together
//
// Every base is decided alone, from the data of the whole set, never from what a query happens to ask: two queries of one
// epoch and one asker see the same verdicts. A mean is computed from a shown sum and a shown count, so it is there only when
// both are. Rows minus rows with a value is the number of rows without one, so a count of values holds only when the rows
// without a value hold too, or there are none.
//
// # What is not promised
//
//   - Measures that add up to one another (parts and their total) are decided apart: a policy must not offer all of them.
//   - Bases are judged apart: with several dimensions, counts can bound sums by a narrow clamp, and counts of values, which
//     package policy refuses there.
//   - Lower bounds of hidden cells, and their differences.
//   - That a union of one dimension is empty can be learned: the total equals the shown cells. So can, within rounding, the weight of all
//     owners together in the hidden union.
//   - Askers that stand apart here and pool their answers afterwards: name them all as recipients.
//   - A cell changes between epochs; the pool's rule on epochs bounds that, not this package.
package privacy

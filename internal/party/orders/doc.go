// Package orders keeps what an owner signed about orders for its data and what the exchange has of it in step: charges for what was
// released, ends, refunds; and says for owner and buyer whether all that was said of an order comes to the same.
//
// Sees in clear: orders, settlements, charges, the party's ledger. Never sees: keys, values.
// Trusts: the ledger. The exchange's postings are compared, not believed.
// If it fails: charges are posted later; nothing is charged twice. If it is wrong: an owner is paid too little, or a buyer's credits
// come back late.
// Spec: docs/purchases.md.
package orders

// Package approval is where a party says yes: contracts that it proposes or
// grants, pools that it joins, and what it takes back.
//
// Sees in clear: statements and policies. Never sees: keys, values, SQL.
// Trusts: the owner's policy and its own ledger. Not the exchange (which may keep others' pool epochs back), not who proposes.
// If it fails: nothing is signed. If it is wrong: an owner is bound to what it did not mean to grant.
// Spec: docs/spec/statement.md (contract, grant, pool), docs/spec/release-rules.md, section 9.
package approval

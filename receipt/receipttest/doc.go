// Package receipttest makes complete, genuine accounts of jobs that never ran,
// for tests: every statement signed with a real key, every digest right. An Edit
// lets one party lie in one place, with everything after it consistent with the
// lie, as a party that holds its key could.
//
// Sees in clear: nothing of anybody. All keys derive from public seeds: TEST KEYS, never to be used.
// Trusts: nobody.
// If it fails: a test fails. If it is wrong: a test passes that should not.
// Spec: docs/spec/receipt.md.
package receipttest

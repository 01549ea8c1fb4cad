// Command chaos runs a whole exchange as processes, kills them at random while jobs and agreements go on, and proves afterwards that
// nothing that was confirmed is lost and nobody was charged wrongly.
//
// Sees in clear: made-up rows and keys. Never sees: anything real.
// Trusts: nothing that the exchange says of itself: what was confirmed is kept here, and looked for afterwards.
// If it is wrong: a fault is called none. Each of its proofs has a test that breaks what it proves.
package main

// Package softhsm gives tests a token of SoftHSM's, in a folder of its own, and the helper that speaks to it.
//
// Sees in clear: keys and PINs made for the test. Never sees: keys of anyone.
// Trusts: nothing. If it fails: a test is skipped by name, or fails. If it is wrong: a test shows less than it says.
package softhsm

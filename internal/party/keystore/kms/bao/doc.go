// Package bao gives tests a real server of transit keys, OpenBao's or Vault's, in memory, and the helper that speaks to it.
//
// Sees in clear: keys made for the test. Never sees: keys of anyone.
// Trusts: nothing. If it fails: a test is skipped by name, or fails. If it is wrong: a test shows less than it says.
package bao

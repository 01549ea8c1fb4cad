// Package teststripe starts Stripe's own stripe-mock for tests, which checks every request against Stripe's API definition, behind a
// front that remembers what was made: the mock itself remembers nothing.
//
// Sees in clear: made-up payments. Never sees: anything real.
// Trusts: the mock to be what it says. If it is wrong: a test of payments says more than is true.
package teststripe

// Package need ends tests that a machine can't run: they are skipped by a named reason, and fail where everything must run.
//
// Sees in clear: nothing. Never sees: keys, rows.
// Trusts: CORDON_REQUIRE_ALL of the environment. If it is wrong: a test that did not run is taken for one that passed.
package need

// Package account adds up what releases cost: zero-concentrated differential privacy (Bun and Steinke 2016) as exact
// rationals, what it means as epsilon and delta, and the budget of a data set, which is spent once.
//
// Sees in clear: parameters, digests of releases, organisations, times. Never sees: values, keys, noise.
// Trusts: the caller to make an event durable before what it pays for happens, and to bring back all events.
// If it fails: nothing is released. If it is wrong: more is learnt of a unit than its owner allowed.
// Spec: docs/spec/dp.md, sections 8 and 9.
package account

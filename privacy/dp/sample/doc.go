// Package sample draws exactly from the discrete Laplace and discrete Gaussian distributions, with integers only:
// algorithms 1 to 3 of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (2020).
//
// Sees in clear: the noise of a release, its parameters. Never sees: values, keys.
// Trusts: the source of uniform integers. Takes no fraction but exact ones: a float near the noise gives the value away.
// If it fails: no noise, no release. If it is wrong: a release promises more than it keeps.
// Spec: docs/spec/dp.md, section 5.
//
// The time a sample takes varies with the noise, not with the data. Who can time a release to the microsecond learns
// something about its noise: answers at fixed ticks are what closes that.
package sample

// Package noise makes the uniform integers that noise and the choice of groups are drawn from: a pseudorandom function of
// the owners' noise keys and of the release, so that the same question has the same noise whoever runs it, and how often.
//
// Sees in clear: the noise keys of the data set versions of one job, cell keys, unit identifiers. Never sees: values.
// Trusts: the caller that the keys are those the offers commit to, and that the release digest covers all that the answer
// depends on. Not an owner: its own key alone tells it nothing about the stream.
// If it fails: nothing is released. If it is wrong: noise can be predicted and taken off, or drawn again and averaged out.
// Spec: docs/spec/dp.md, section 4.
package noise

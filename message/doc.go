// Package message defines what an enclave and the brokers say to each other
// during one job. The messages travel through host and exchange, HPKE-sealed to
// their reader; what authenticates them stands in each type's comment.
//
// Sees in clear: statements, evidence, one job's SQL (in its Reply to an attested enclave). Never sees: rows; keys only sealed.
// Trusts: nobody. Readers check what they rely on.
// If it fails: the job ends without a result. If it is wrong: an enclave or broker could be made to answer the wrong question.
// Spec: docs/spec/messages.md.
package message

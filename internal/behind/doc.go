// Package behind puts bytes behind a JSON text, in one body: what is large and sealed is not written as text.
//
// Sees in clear: what stands in the text. Never sees: what the bytes mean. Trusts: nothing; sizes are checked against what is there.
// If it fails: the body is refused. If it is wrong: one artifact is taken for another, and opens for nobody.
// Spec: docs/spec/channel.md, docs/spec/exchange-api.md.
package behind

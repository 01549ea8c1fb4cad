// Package cache keeps ciphertext that a host has fetched, so that it is fetched from the lake once.
//
// Sees in clear: names and sizes of objects. Never sees: keys, values: what it keeps is sealed, and opens in the enclave or nowhere.
// Trusts: its folder with nothing but time. What was kept over a restart is compared with checksums, what an enclave finds to be no
// ciphertext of its owner is dropped.
// If it fails: objects are streamed past it. If it is wrong: a job ends in bad-data, and the next one fetches again.
//
// Who may read which object is not decided here: the host asks for those that a job's offers name, and no others.
// Spec: docs/spec/channel.md, section 7.
package cache

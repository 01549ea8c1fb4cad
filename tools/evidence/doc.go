// Command evidence replays collections of recorded evidence: every case is judged by the verifier of its kind, at the clock of
// the case, and verdict, stage of refusal and extracted values are compared with what the collection demands.
//
// Sees in clear: recorded evidence, which is public. Never sees: keys, rows.
// Trusts: the collection's words on what must come out, and the trust anchors that it names.
// If it fails: nothing is judged. If it is wrong: a verifier that is wrong passes.
// Spec: docs/spec/evidence.md, section 7.6.
//
// A kind without a verifier fails all its cases. The verdict is by the policy that the collection's README states: debug refused
// unless the case demands allow_debug; collateral and CRLs present and current; status UpToDate or SWHardeningNeeded.
package main

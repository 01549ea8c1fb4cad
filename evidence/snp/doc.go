// Package snp verifies AMD SEV-SNP attestation reports, versions 2 to 5, signed by a VCEK or a VLEK.
//
// Sees in clear: reports and certificates, which are public. Never sees: keys, rows.
// Trusts: the anchors, the clock and the revocation lists its caller gives. Not the report's word about its processor.
// If it fails: a report is refused. If it is wrong: a program outside of SEV-SNP, or another one, is taken for an enclave.
// Spec: docs/spec/evidence-kinds.md, section 2.
package snp

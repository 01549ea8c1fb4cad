// Package collateral keeps what vendors say of machines (Intel's TCB info, identities and lists; AMD's keys and lists) in a folder of
// the party's home, gets it from the vendor's service or from files, and gives it to verifiers, which never dial.
//
// It is a party's, not part of evidence/: it has a folder, a clock and a network, which nothing below evidence/ may have.
//
// Sees in clear: vendors' documents, which are public. The services learn which machines a party asks about. Never sees: keys, rows.
// Trusts: the pinned roots. Not the services, a mirror, the network, an imported file or the folder itself: everything is verified
// when it comes, and again each time it is read; of bytes that were verified before, the dates and names are looked at again.
// If it fails: evidence that needs collateral is refused. If it is wrong: a machine counts as current that its vendor warns of.
// Spec: docs/spec/evidence.md, section 10.
package collateral

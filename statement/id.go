package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// Digest names a statement or an object: "sha256:" and 64 lower-case hex digits.
type Digest string

// Fingerprint names a party: "cordon1" and 64 lower-case hex digits of the hash of its public key.
type Fingerprint string

const (
	digestPrefix      = "sha256:"
	fingerprintPrefix = "cordon1"
	fingerprintLabel  = "cordon/party-key/v1"
)

// ErrBadID is returned for text that is not a digest, fingerprint or key.
var ErrBadID = errors.New("statement: not a valid identifier")

// Sum returns the digest of b as it is: the name of a statement is Sum of its payload.
func Sum(b []byte) Digest {
	h := sha256.Sum256(b)
	return Digest(digestPrefix + hex.EncodeToString(h[:]))
}

// DigestOf returns the digest of what was written to a SHA-256 hash: Sum of what does not lie in memory.
func DigestOf(h hash.Hash) Digest { return Digest(digestPrefix + hex.EncodeToString(h.Sum(nil))) }

// LabelledSum hashes parts under a versioned label. Every part is framed by its
// length, so no two lists of parts hash the same bytes (docs/spec/statement.md, section 2).
func LabelledSum(label string, parts ...[]byte) Digest {
	return Sum(Frame(label, parts...))
}

// Frame concatenates label and parts, each behind its length as eight big-endian bytes.
func Frame(label string, parts ...[]byte) []byte {
	size := 8 + len(label)
	for _, p := range parts {
		size += 8 + len(p)
	}
	out := appendFramed(make([]byte, 0, size), []byte(label))
	for _, p := range parts {
		out = appendFramed(out, p)
	}
	return out
}

func appendFramed(out, part []byte) []byte {
	out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
	return append(out, part...)
}

// Valid reports whether d has the form of a digest.
func (d Digest) Valid() bool { return validHex(string(d), digestPrefix) }

// Bytes returns the 32 bytes that d spells, or nil if d is not valid.
func (d Digest) Bytes() []byte {
	if !d.Valid() {
		return nil
	}
	b, _ := hex.DecodeString(strings.TrimPrefix(string(d), digestPrefix))
	return b
}

// Short is for people: enough to tell digests on one screen apart, never to rely on.
func (d Digest) Short() string {
	s := strings.TrimPrefix(string(d), digestPrefix)
	return s[:min(12, len(s))]
}

// Valid reports whether f has the form of a fingerprint.
func (f Fingerprint) Valid() bool { return validHex(string(f), fingerprintPrefix) }

// Short is for people, never to rely on.
func (f Fingerprint) Short() string { return string(f[:min(15, len(f))]) }

func validHex(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && len(rest) == 64 && lowerHex(rest)
}

func lowerHex(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// PublicKey is an Ed25519 verification key (RFC 8032). One that ParsePublicKey
// returned is canonical and not of small order: what it verifies, only the holder
// of its private key can have signed.
type PublicKey [ed25519.PublicKeySize]byte

const publicKeyPrefix = "ed25519:"

// ParsePublicKey reads the text form "ed25519:" and 64 hex digits.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	if !validHex(s, publicKeyPrefix) {
		return k, fmt.Errorf("public key: %w", ErrBadID)
	}
	if _, err := hex.Decode(k[:], []byte(strings.TrimPrefix(s, publicKeyPrefix))); err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", ErrBadID)
	}
	if k.weak() {
		return PublicKey{}, fmt.Errorf("public key: %w", ErrBadID)
	}
	return k, nil
}

// weak reports whether k is of small order, or not the one encoding of its point
// (docs/spec/statement.md, section 2). Under a key of small order anybody can make
// signatures, so its owner could deny every word; RFC 8032 leaves the check to
// the application. The sign bit does not matter to either question.
func (k PublicKey) weak() bool {
	y := k
	y[31] &= 0x7f
	for _, bad := range smallOrder() {
		if y == bad {
			return true
		}
	}
	// y is reduced unless it is one of 2^255-19 … 2^255-1: ed, ff, …, ff, 7f and up.
	for i := 1; i < 31; i++ {
		if y[i] != 0xff {
			return false
		}
	}
	return y[31] == 0x7f && y[0] >= 0xed
}

// smallOrder lists the y coordinates, little-endian, of the eight points whose order divides 8.
func smallOrder() [5]PublicKey {
	minusOne := PublicKey{0: 0xec, 31: 0x7f}
	for i := 1; i < 31; i++ {
		minusOne[i] = 0xff
	}
	return [5]PublicKey{
		{},       // order 4
		{0: 1},   // order 1
		minusOne, // order 2
		{ // order 8
			0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
			0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
		},
		{ // order 8
			0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
			0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
		},
	}
}

func (k PublicKey) String() string { return publicKeyPrefix + hex.EncodeToString(k[:]) }

// Fingerprint is what contracts and policies pin instead of the key
// (docs/spec/statement.md, section 2).
func (k PublicKey) Fingerprint() Fingerprint {
	d := LabelledSum(fingerprintLabel, k[:])
	return Fingerprint(fingerprintPrefix + strings.TrimPrefix(string(d), digestPrefix))
}

// Verify reports whether sig is k's signature over msg.
func (k PublicKey) Verify(msg, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(k[:], msg, sig)
}

// Signer makes signatures. Private keys live in package seal or in a key store.
type Signer interface {
	Public() PublicKey
	Sign(msg []byte) ([]byte, error)
}

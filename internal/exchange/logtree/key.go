package logtree

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// VerifierKey is the text of the public half of a note's signing key.
func VerifierKey(secret string) (string, error) {
	bad := errors.New("logtree: not a signing key of a note")
	part := strings.SplitN(strings.TrimPrefix(secret, "PRIVATE+KEY+"), "+", 3)
	if len(part) != 3 {
		return "", bad
	}
	b, err := base64.StdEncoding.DecodeString(part[2])
	if err != nil || len(b) != 1+ed25519.SeedSize || b[0] != 1 { // Ed25519
		return "", bad
	}
	public, ok := ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", bad
	}
	return note.NewEd25519VerifierKey(part[0], public)
}

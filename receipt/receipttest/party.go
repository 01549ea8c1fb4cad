package receipttest

import (
	"crypto/sha256"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Party is a party of tests, with its private keys.
type Party struct {
	Name string
	Key  *seal.SigningKey
	Box  *seal.BoxKey
}

// Seed is where the private keys of NewParty come from, so that anyone can make them again.
func Seed(what, name string) []byte {
	h := sha256.Sum256([]byte("cordon TEST KEY, never use: " + what + " of " + name))
	return h[:]
}

// NewParty derives a party from its name: the same one each time.
func NewParty(t testing.TB, name string) *Party {
	t.Helper()
	key, err := seal.SigningKeyFromSeed(Seed("signing key", name))
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.BoxKeyFromBytes(Seed("box key", name))
	if err != nil {
		t.Fatal(err)
	}
	return &Party{Name: name, Key: key, Box: box}
}

// Fingerprint names the party.
func (p *Party) Fingerprint() statement.Fingerprint { return p.Key.Fingerprint() }

// DataKey derives the key named n of a test's data set version.
func DataKey(t testing.TB, n seal.KeyName) *seal.DataKey {
	t.Helper()
	k, err := seal.DataKeyFromBytes(Seed("data key "+n.Dataset+"/"+n.Version+"/"+n.Key, string(n.Owner)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

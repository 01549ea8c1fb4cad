package runner

import (
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// keyCase holds the keys of one job, by offer.
type keyCase struct{ sets map[statement.Digest]*keySet }

// keySet holds the keys of one offer.
type keySet struct {
	footer  *seal.DataKey
	noise   *seal.DataKey // where the plan wants noise
	columns map[string]*seal.DataKey
}

func newKeyCase() *keyCase { return &keyCase{sets: map[statement.Digest]*keySet{}} }

func (c *keyCase) put(offer statement.Digest, s *keySet) { c.sets[offer] = s }

// wipe overwrites all keys. Copies that the language made of them die with the process.
func (c *keyCase) wipe() {
	for _, s := range c.sets {
		s.wipe()
	}
	clear(c.sets)
}

func (s *keySet) wipe() {
	for _, k := range []*seal.DataKey{s.footer, s.noise} {
		if k != nil {
			k.Wipe()
		}
	}
	for _, k := range s.columns {
		if k != nil {
			k.Wipe()
		}
	}
}

// forFile copies the keys into the form in which package pme takes them; the caller clears the copy.
func (s *keySet) forFile() pme.Keys {
	k := pme.Keys{Footer: s.footer.BytesUnsafe(), Columns: map[string][]byte{}}
	for name, key := range s.columns {
		k.Columns[name] = key.BytesUnsafe()
	}
	return k
}

func clearKeys(k pme.Keys) {
	clear(k.Footer)
	for _, b := range k.Columns {
		clear(b)
	}
}

// noise copies the noise keys into the form in which the engine takes them; the caller clears the copy.
func (c *keyCase) noise() map[string][]byte {
	out := map[string][]byte{}
	for offer, s := range c.sets {
		if s.noise != nil {
			out[string(offer)] = s.noise.BytesUnsafe()
		}
	}
	return out
}

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

// wipe overwrites all keys.
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

// forFile lends the keys in the form in which package pme takes them. It expands them, and keeps nothing else.
func (s *keySet) forFile() pme.Keys {
	k := pme.Keys{Footer: s.footer.LendUnsafe(), Columns: map[string][]byte{}}
	for name, key := range s.columns {
		k.Columns[name] = key.LendUnsafe()
	}
	return k
}

// noise lends the noise keys in the form in which the engine takes them. It copies them.
func (c *keyCase) noise() map[string][]byte {
	out := map[string][]byte{}
	for offer, s := range c.sets {
		if s.noise != nil {
			out[string(offer)] = s.noise.LendUnsafe()
		}
	}
	return out
}

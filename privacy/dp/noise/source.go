package noise

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Labels of the derivations (docs/spec/dp.md, section 4).
const (
	keysLabel    = "cordon/noise-keys/v1"
	saltLabel    = "cordon/noise/v1"
	releaseLabel = "cordon/noise-release/v1"
	streamLabel  = "cordon/noise-stream/v1"
	orderLabel   = "cordon/noise-order/v1"
)

// maxOffers bounds the data set versions of one release.
const maxOffers = 1 << 10

// Keyed is the noise key of one data set version, named by the offer that commits to it.
type Keyed struct {
	Offer statement.Digest // required
	Key   *seal.DataKey    // required
}

// Source is the secret of one release. It has no text form and can't be compared.
type Source struct {
	_    [0]func()
	root [sha256.Size]byte
}

// New combines the keys of all data set versions that a release reads (docs/spec/dp.md, section 4.1). It does not depend on the
// order of keys. Whoever misses one of the keys can't tell the source from a random one.
func New(release statement.Digest, keys []Keyed) (*Source, error) {
	if !release.Valid() {
		return nil, ErrRelease
	}
	sorted, err := canonical(keys)
	if err != nil {
		return nil, err
	}
	s := &Source{}
	secretmode.Do(func() { err = s.combine(release, sorted) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Source) combine(release statement.Digest, sorted []Keyed) error {
	secrets, info := [][]byte{}, [][]byte{release.Bytes()}
	for _, k := range sorted {
		secrets = append(secrets, k.Offer.Bytes(), k.Key.BytesUnsafe())
		info = append(info, k.Offer.Bytes())
	}
	defer wipe(secrets)
	ikm := statement.Frame(keysLabel, secrets...)
	defer clear(ikm)
	root, err := hkdf.Key(sha256.New, ikm, []byte(saltLabel), string(statement.Frame(releaseLabel, info...)), sha256.Size)
	if err != nil {
		return err
	}
	copy(s.root[:], root)
	clear(root)
	return nil
}

// canonical sorts a copy of the keys by offer. A key that is all zero was never set, or was wiped.
func canonical(keys []Keyed) ([]Keyed, error) {
	if len(keys) == 0 || len(keys) > maxOffers {
		return nil, ErrKeys
	}
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, func(a, b Keyed) int { return bytes.Compare([]byte(a.Offer), []byte(b.Offer)) })
	for i, k := range sorted {
		if !k.Offer.Valid() || unset(k.Key) || i > 0 && sorted[i-1].Offer == k.Offer {
			return nil, ErrKeys
		}
	}
	return sorted, nil
}

func unset(k *seal.DataKey) bool {
	if k == nil {
		return true
	}
	b := k.BytesUnsafe()
	defer clear(b)
	return hmac.Equal(b, make([]byte, seal.DataKeySize))
}

func wipe(parts [][]byte) {
	for _, p := range parts {
		clear(p)
	}
}

// Wipe overwrites the secret. Streams that were opened before go on.
func (s *Source) Wipe() { clear(s.root[:]) }

// Format prints no secret, whatever the verb.
func (Source) Format(f fmt.State, _ rune) { fmt.Fprint(f, "noise.Source") }

// Stream opens the stream of one draw: what for, for which cell, for which of the release's numbers. Streams of different
// draws are independent, so the order in which cells are answered does not matter, nor which other cells there are.
// AES-256 in counter mode under a key of its own: as constant in time as an HMAC per block, faster, and far from its
// birthday bound at 2^16 blocks of a stream.
func (s *Source) Stream(purpose string, cell []byte, index uint32) (*Stream, error) {
	var at [4]byte
	binary.BigEndian.PutUint32(at[:], index)
	mac := hmac.New(sha256.New, s.root[:])
	mac.Write(statement.Frame(streamLabel, []byte(purpose), cell, at[:]))
	key := mac.Sum(nil)
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &Stream{ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize)), left: maxStream}, nil
}

// OrderSize is the length of a rank, in bytes: two of 2^40 are equal with a probability below 2^-48.
const OrderSize = 16

// Order gives a unit's groups a secret order, another one for every unit, that depends on nothing else. One goroutine
// may use it at a time.
func (s *Source) Order() *Order {
	mac := hmac.New(sha256.New, s.root[:])
	return &Order{rank: func(frame []byte) [OrderSize]byte {
		mac.Reset()
		mac.Write(frame)
		var sum [sha256.Size]byte
		return [OrderSize]byte(mac.Sum(sum[:0])[:OrderSize])
	}}
}

// Order ranks the groups of a unit (docs/spec/dp.md, section 4.3).
type Order struct{ rank func([]byte) [OrderSize]byte }

// Rank is where a group comes among a unit's.
func (o *Order) Rank(unit, group []byte) [OrderSize]byte {
	return o.rank(statement.Frame(orderLabel, unit, group))
}

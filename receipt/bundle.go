package receipt

import (
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/statement"
)

// Format of a bundle, with its version.
const Format = "cordon-receipt-bundle/1"

// MaxBundle bounds what Decode reads, in bytes.
const MaxBundle = 64 << 20

// ErrMalformed is returned for a bundle that does not decode strictly.
var ErrMalformed = errors.New("receipt: malformed bundle")

type envelope = statement.Envelope

// Bundle is everything that a check of one job needs, in one file.
type Bundle struct {
	Format   string     `json:"format"`
	Receipt  envelope   `json:"receipt"`
	Job      envelope   `json:"job"`
	Contract envelope   `json:"contract"`
	Pools    []envelope `json:"pools,omitempty"`
	Offers   []envelope `json:"offers"`
	Grants   []envelope `json:"grants"`
	Readies  []envelope `json:"readies"`
	Releases []envelope `json:"releases"`
	Acks     []envelope `json:"acks"`
	Parties  []envelope `json:"parties"`
}

// Encode is the strict encoding of b, with Format filled in. No list but Pools may be nil.
func (b *Bundle) Encode() ([]byte, error) {
	c := *b
	c.Format = Format
	out, err := statement.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(out) > MaxBundle {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, MaxBundle)
	}
	return out, nil
}

// Decode reads a bundle strictly (docs/spec/receipt.md, section 2). It checks no signature: Verify does.
func Decode(src []byte) (*Bundle, error) {
	var b Bundle
	if err := statement.UnmarshalUpTo(src, MaxBundle, &b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if b.Format != Format {
		return nil, fmt.Errorf("%w: not %s", ErrMalformed, Format)
	}
	return &b, nil
}

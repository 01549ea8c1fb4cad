package collateral

import (
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/snp"
)

// Held gives what is kept, and current, for the machine that a quote says it is of, as evidence of its kind brings endorsements
// (docs/spec/evidence.md, section 8.2): for verifiers, which do not dial. Nothing kept, or nothing current, is nothing held; what is
// there and can't be used is an error. now is the reader's clock.
func (c *Cache) Held(now func() time.Time) func(kind string, quote []byte) ([][]byte, error) {
	return func(kind string, quote []byte) (out [][]byte, err error) {
		switch kind {
		case dcap.KindSGX, dcap.KindTDX:
			q, perr := dcap.Parse(quote)
			if perr != nil {
				return nil, nil // the verifier says so
			}
			var src []byte
			if src, _, err = c.ForIntel(MachineOf(q), now()); err == nil {
				return [][]byte{src}, nil
			}
		case "snp":
			r, perr := snp.Parse(quote)
			if perr != nil {
				return nil, nil
			}
			out, _, err = c.ForAMD(ChipOf(r, r.Line), now())
		}
		if errors.Is(err, ErrNone) || errors.Is(err, ErrStale) {
			return nil, nil
		}
		return out, err
	}
}

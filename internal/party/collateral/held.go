package collateral

import (
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/snp"
)

// Held gives what is kept for the machine that a quote says it is of, as evidence of its kind brings endorsements
// (docs/spec/evidence.md, section 8.2): for verifiers, which do not dial. What has ended is given too: that it was there bounds what
// others may bring, and the verifier judges each by the time (sections 8.5 and 8.6). AMD's lists count without a key. What is there
// and can't be used is an error. now is the reader's clock.
func (c *Cache) Held(now func() time.Time) func(kind string, quote []byte) ([][]byte, error) {
	return func(kind string, quote []byte) ([][]byte, error) {
		switch kind {
		case dcap.KindSGX, dcap.KindTDX:
			q, err := dcap.Parse(quote)
			if err != nil {
				return nil, nil // the verifier says so
			}
			return c.heldIntel(MachineOf(q), now())
		case "snp":
			r, err := snp.Parse(quote)
			if err != nil {
				return nil, nil
			}
			return c.heldAMD(r, now())
		}
		return nil, nil
	}
}

func (c *Cache) heldIntel(m Machine, at time.Time) ([][]byte, error) {
	if !m.Valid() {
		return nil, nil
	}
	src, err := c.kept(m.file(), at)
	if src == nil {
		return nil, err
	}
	return [][]byte{src}, nil
}

// heldAMD is the key of the chip, empty if there is none, and the list of each line that the report may be of.
func (c *Cache) heldAMD(r *snp.Report, at time.Time) ([][]byte, error) {
	out := [][]byte{{}}
	for _, line := range linesOf(r) {
		key, err := c.kept(ChipOf(r, line).file(), at)
		if err != nil {
			return nil, err
		}
		if key != nil {
			out[0] = key
		}
		list, err := c.kept(crlFile(line), at)
		if err != nil {
			return nil, err
		}
		if list != nil {
			out = append(out, list)
		}
	}
	if len(out) == 1 && len(out[0]) == 0 {
		return nil, nil
	}
	return out, nil
}

// kept is the file's content, current or not, or nil.
func (c *Cache) kept(name string, at time.Time) ([]byte, error) {
	i, err := c.load(name, at)
	if errors.Is(err, ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return i.bytes, nil
}

// linesOf are the lines that a report may be of. One of version 2 does not say: only the key that signed it does.
func linesOf(r *snp.Report) []string {
	if r.Line != "" {
		return []string{r.Line}
	}
	return []string{snp.Milan, snp.Genoa, snp.Turin}
}

package hosted

import (
	"fmt"
	"strconv"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Build names the program that a quote measures: the digest that contracts and policies list (docs/spec/evidence.md, section 8.2,
// says which parts each kind has, and in which order).
func Build(kind string, measured ...[]byte) statement.Digest {
	return statement.LabelledSum("cordon/build/"+kind+"/v1", measured...)
}

// TPMQuote is the quote of a kind whose attester is a TPM, as strict JSON.
type TPMQuote struct {
	Message   []byte     `json:"message"`   // TPMS_ATTEST
	Signature []byte     `json:"signature"` // TPMT_SIGNATURE
	PCRs      []Register `json:"pcrs"`      // those quoted, of one bank, rising
	AK        []byte     `json:"ak"`        // attestation key, TPMT_PUBLIC
}

// Register is one platform configuration register.
type Register struct {
	Index int64  `json:"index"`
	Value []byte `json:"value"`
}

// maxRegister is the highest register there is.
const maxRegister = 23

// TPMBuild names what a TPM measured: every register quoted, with its number. Another choice of registers is another build.
func TPMBuild(pcrs []Register) statement.Digest {
	var parts [][]byte
	for _, r := range pcrs {
		parts = append(parts, []byte(strconv.FormatInt(r.Index, 10)), r.Value)
	}
	return Build(evidence.TPMSoftware, parts...)
}

// Encode gives the quote's one encoding.
func (q *TPMQuote) Encode() ([]byte, error) { return statement.Marshal(q) }

// ParseTPMQuote reads a quote of a TPM kind. It proves nothing.
func ParseTPMQuote(src []byte) (*TPMQuote, error) {
	q := new(TPMQuote)
	if len(src) > MaxQuote {
		return nil, fmt.Errorf("%w: quote of %d bytes", evidence.ErrMalformed, len(src))
	}
	if err := statement.Unmarshal(src, q); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	last := int64(-1)
	for _, r := range q.PCRs {
		if r.Index <= last || r.Index > maxRegister || len(r.Value) == 0 {
			return nil, fmt.Errorf("%w: registers", evidence.ErrMalformed)
		}
		last = r.Index
	}
	if len(q.PCRs) == 0 {
		return nil, fmt.Errorf("%w: no register", evidence.ErrMalformed)
	}
	return q, nil
}

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
	return Build(evidence.TPMSoftware, registers(pcrs)...)
}

func registers(pcrs []Register) (parts [][]byte) {
	for _, r := range pcrs {
		parts = append(parts, []byte(strconv.FormatInt(r.Index, 10)), r.Value)
	}
	return parts
}

// Values are registers by their index.
func Values(pcrs []Register) map[uint][]byte {
	out := map[uint][]byte{}
	for _, r := range pcrs {
		out[uint(r.Index)] = r.Value
	}
	return out
}

// Encode gives the quote's one encoding.
func (q *TPMQuote) Encode() ([]byte, error) { return statement.Marshal(q) }

// ParseTPMQuote reads a quote of a TPM kind. It proves nothing.
func ParseTPMQuote(src []byte) (*TPMQuote, error) {
	q := new(TPMQuote)
	if err := parse(src, q, &q.PCRs); err != nil {
		return nil, err
	}
	return q, nil
}

// parse reads a quote and looks at its registers.
func parse(src []byte, quote any, pcrs *[]Register) error {
	if len(src) > MaxQuote {
		return fmt.Errorf("%w: quote of %d bytes", evidence.ErrMalformed, len(src))
	}
	if err := statement.Unmarshal(src, quote); err != nil {
		return fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	if !rising(*pcrs) {
		return fmt.Errorf("%w: registers", evidence.ErrMalformed)
	}
	return nil
}

// rising says whether there are registers, each once, in order, with values.
func rising(pcrs []Register) bool {
	last := int64(-1)
	for _, r := range pcrs {
		if r.Index <= last || r.Index > maxRegister || len(r.Value) == 0 {
			return false
		}
		last = r.Index
	}
	return len(pcrs) > 0
}

// AzureQuote is the quote of a virtual TPM of Azure's, and what binds its key to the machine, as strict JSON.
type AzureQuote struct {
	HCL       []byte     `json:"hcl"`                // the paravisor's report, which holds the one of SNP and the runtime data
	TDQuote   []byte     `json:"td_quote,omitempty"` // on TDX
	Message   []byte     `json:"message"`            // TPMS_ATTEST
	Signature []byte     `json:"signature"`          // TPMT_SIGNATURE, by the key in the runtime data
	PCRs      []Register `json:"pcrs"`
}

// AzureBuild names what started: the paravisor, by the build that the hardware's own evidence shows, and every register quoted.
func AzureBuild(kind string, hardware statement.Digest, pcrs []Register) statement.Digest {
	return Build(kind, append([][]byte{[]byte(hardware)}, registers(pcrs)...)...)
}

// Encode gives the quote's one encoding.
func (q *AzureQuote) Encode() ([]byte, error) { return statement.Marshal(q) }

// ParseAzureQuote reads a quote of one of Azure's kinds. It proves nothing.
func ParseAzureQuote(src []byte) (*AzureQuote, error) {
	q := new(AzureQuote)
	if err := parse(src, q, &q.PCRs); err != nil {
		return nil, err
	}
	return q, nil
}

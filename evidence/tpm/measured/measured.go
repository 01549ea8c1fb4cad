package measured

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Kind of the evidence of a TPM that the host itself runs: its root is software of the host's, so it proves nothing against the host.
const Kind = "tpm-software"

// Register that the enclave extends with its own program: the first that firmware and static boot leave to the operating system.
const Register = 11

// Limits in bytes.
const (
	MaxQuote = 16 << 10
	size     = sha256.Size
)

// ErrMalformed is of bytes that are not a quote in its one form.
var ErrMalformed = errors.New("measured: not a quote")

// Value is what the register holds once a program with that digest has extended it, and nothing else has.
func Value(program [size]byte) [size]byte {
	return sha256.Sum256(append(make([]byte, size), program[:]...))
}

// Build is the digest that contracts and policies list for a program: of the register's number and value.
func Build(value [size]byte) statement.Digest {
	return statement.LabelledSum("cordon/build/"+Kind+"/v1", binary.BigEndian.AppendUint32(nil, Register), value[:])
}

// BuildOf is the Build of a program's own digest (SHA-256 of its bytes).
func BuildOf(program [size]byte) statement.Digest { return Build(Value(program)) }

// Nonce is what a TPM has room for of report data.
func Nonce(d evidence.ReportData) [size]byte { return sha256.Sum256(d[:]) }

// Quote is a TPM's quote of the one register, with what a verifier needs beside it.
type Quote struct {
	ReportData []byte `json:"report_data"` // the 64 bytes whose Nonce the TPM signed
	Message    []byte `json:"message"`     // TPMS_ATTEST
	Signature  []byte `json:"signature"`   // TPMT_SIGNATURE
	Public     []byte `json:"public"`      // TPMT_PUBLIC of the attestation key
	Value      []byte `json:"value"`       // of the register
}

// Encode writes the one form.
func (q Quote) Encode() ([]byte, error) { return statement.Marshal(q) }

// Decode reads the one form. It checks sizes, and no signature.
func Decode(src []byte) (*Quote, error) {
	var q Quote
	if err := statement.UnmarshalUpTo(src, MaxQuote, &q); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(q.ReportData) != evidence.ReportDataSize || len(q.Value) != size {
		return nil, ErrMalformed
	}
	return &q, nil
}

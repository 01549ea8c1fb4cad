package tpm

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // banks and signatures
	_ "crypto/sha512"
	"fmt"
	"math/bits"

	"github.com/google/go-tpm/tpm2"

	"github.com/cordon-exchange/cordon/evidence/field"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Limits, in bytes where nothing else is said.
const (
	MaxMessage   = 1024
	MaxSignature = 1024
	MaxPublic    = 1024
	MaxNonce     = 64
	MaxPCR       = 23 // registers 0 to 23
)

// Quote is what a TPM signed, and the register values it signed a digest of.
type Quote struct {
	Message   []byte // TPMS_ATTEST
	Signature []byte // TPMT_SIGNATURE
	PCRs      map[uint][]byte
}

// Content is what the bytes of a quote and the register values beside it say. Nothing of it is proved.
type Content struct {
	Bank         string             `json:"bank"` // SHA-256 or SHA-384
	PCRs         map[uint]field.Hex `json:"pcrs"`
	Nonce        field.Hex          `json:"nonce"`
	Firmware     field.Flags        `json:"firmware_version"`
	ResetCount   uint32             `json:"reset_count"`
	RestartCount uint32             `json:"restart_count"`
	// Of Azure's only: the evidence below, its report data, and what the runtime data says about the machine.
	Platform   string    `json:"platform,omitempty"` // SNP or TDX
	ReportData field.Hex `json:"report_data,omitempty"`
	Runtime    *Runtime  `json:"runtime,omitempty"`
}

// Verified is what a genuine quote says. Only Verify and VerifyAzure make one.
type Verified struct {
	Content
	checked bool
}

// ParseQuote reads a quote. It proves nothing, not even that the values are those quoted.
func ParseQuote(q Quote) (*Content, error) {
	a, err := parse(q.Message)
	if err != nil {
		return nil, err
	}
	return a.said(q), nil
}

// said is what the message says, and the values beside it.
func (a *attest) said(q Quote) *Content {
	c := &Content{
		Bank: a.bank.String(), PCRs: map[uint]field.Hex{}, Nonce: bytes.Clone(a.ExtraData.Buffer), Firmware: field.Flags(a.FirmwareVersion),
		ResetCount: a.ClockInfo.ResetCount, RestartCount: a.ClockInfo.RestartCount,
	}
	for i, p := range q.PCRs {
		c.PCRs[i] = bytes.Clone(p)
	}
	return c
}

// digests are the algorithms accepted, of banks and of signatures. SHA-1 is none of them.
func digests(a tpm2.TPMIAlgHash) (crypto.Hash, error) {
	switch a {
	case tpm2.TPMAlgSHA256:
		return crypto.SHA256, nil
	case tpm2.TPMAlgSHA384:
		return crypto.SHA384, nil
	default:
		return 0, fmt.Errorf("%w: digest %#04x", stage.Alg, uint16(a))
	}
}

// attest is a quote's message, read.
type attest struct {
	*tpm2.TPMSAttest
	bank     crypto.Hash
	selected []uint // registers, rising
	digest   []byte
}

// parse reads a message (TPM 2.0 part 2, section 10.12.12). It must be of a TPM, a quote, and over one bank; it has one encoding.
func parse(message []byte) (*attest, error) {
	if len(message) > MaxMessage {
		return nil, fmt.Errorf("%w: message of %d bytes", stage.Parse, len(message))
	}
	a, err := tpm2.Unmarshal[tpm2.TPMSAttest](message)
	if err != nil {
		return nil, fmt.Errorf("%w: message: %w", stage.Parse, err)
	}
	// A restricted key signs what begins like this only if its TPM made it. go-tpm reads anything.
	if a.Magic != tpm2.TPMGeneratedValue {
		return nil, fmt.Errorf("%w: not made by a TPM", stage.Parse)
	}
	if a.Type != tpm2.TPMSTAttestQuote {
		return nil, fmt.Errorf("%w: not a quote", stage.Parse)
	}
	if !bytes.Equal(tpm2.Marshal(a), message) {
		return nil, fmt.Errorf("%w: message has another encoding", stage.Parse)
	}
	q, err := a.Attested.Quote()
	if err != nil || len(q.PCRSelect.PCRSelections) != 1 {
		return nil, fmt.Errorf("%w: not of one bank", stage.Parse)
	}
	s := q.PCRSelect.PCRSelections[0]
	out := &attest{TPMSAttest: a, digest: q.PCRDigest.Buffer}
	if out.bank, err = digests(s.Hash); err != nil {
		return nil, err
	}
	for i, b := range s.PCRSelect {
		for ; b != 0; b &= b - 1 {
			out.selected = append(out.selected, uint(i*8+bits.TrailingZeros8(b)))
		}
	}
	if n := len(out.selected); n == 0 || out.selected[n-1] > MaxPCR {
		return nil, fmt.Errorf("%w: no register, or one that is none", stage.Parse)
	}
	return out, nil
}

// matches says whether the values are those of the selected registers, no more and no fewer, under the signed digest.
func (a *attest) matches(pcrs map[uint][]byte, h crypto.Hash) error {
	if len(pcrs) != len(a.selected) {
		return fmt.Errorf("%w: %d values for %d registers", stage.PCRDigest, len(pcrs), len(a.selected))
	}
	sum := h.New()
	for _, i := range a.selected {
		if len(pcrs[i]) != a.bank.Size() {
			return fmt.Errorf("%w: register %d", stage.PCRDigest, i)
		}
		sum.Write(pcrs[i])
	}
	if !bytes.Equal(sum.Sum(nil), a.digest) {
		return fmt.Errorf("%w: values are not those quoted", stage.PCRDigest)
	}
	return nil
}

// Qualifying returns what a quote was made for, as its message says. It proves nothing: Verify does.
func Qualifying(message []byte) ([]byte, error) {
	a, err := parse(message)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(a.ExtraData.Buffer), nil
}

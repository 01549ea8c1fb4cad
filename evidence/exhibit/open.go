package exhibit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// Open makes an exhibit of a file: evidence in the bytes of its kind, a statement's evidence as JSON, or a receipt bundle, whose
// receipt has evidence. kind may be empty: then the bytes tell. What the file brings besides evidence is taken over; nothing is
// judged, and the time is set only where the file says when it was made.
func Open(src []byte, kind Kind) (*Exhibit, error) {
	if len(src) > MaxFile {
		return nil, fmt.Errorf("%w: a file of %d bytes", stage.Parse, len(src))
	}
	if kind != "" {
		if kind == Simulated {
			return openStatement(src)
		}
		return &Exhibit{Kind: kind, Raw: src}, nil
	}
	if e, err := openStatement(src); err == nil {
		return e, nil
	}
	if e, err := openBundle(src); err == nil {
		return e, nil
	}
	if kind = detect(src); kind == "" {
		return nil, fmt.Errorf("%w: not evidence of a kind that is known", stage.Parse)
	}
	return &Exhibit{Kind: kind, Raw: src}, nil
}

func openStatement(src []byte) (*Exhibit, error) {
	var s statement.Evidence
	if err := statement.UnmarshalUpTo(bytes.TrimSpace(src), MaxFile, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	return Of(&s)
}

// openBundle takes the receipt's evidence out of a bundle, at the end that the receipt states.
func openBundle(src []byte) (*Exhibit, error) {
	b, err := receipt.Decode(src)
	if err != nil {
		return nil, err
	}
	r, err := statement.DecodeUnverified[statement.Receipt](b.Receipt.Payload)
	if err != nil {
		return nil, fmt.Errorf("%w: receipt of the bundle", stage.Parse)
	}
	e, err := Of(&r.Evidence)
	if err != nil {
		return nil, err
	}
	e.At = time.UnixMilli(r.EndedMS)
	return e, nil
}

// Of makes an exhibit of evidence as it stands in statements.
func Of(s *statement.Evidence) (*Exhibit, error) {
	kind, ok := kindsOfStatements()[s.Kind]
	if !ok || !s.Valid() {
		return nil, fmt.Errorf("%w: evidence of kind %.40q", stage.Parse, s.Kind)
	}
	e := &Exhibit{Kind: kind, Raw: s.Raw, Endorsements: s.Endorsements}
	if kind == Simulated {
		return e, nil
	}
	var err error
	if e.Raw, e.host, err = unwrap(s); err != nil {
		return nil, err
	}
	if collateral := kind == SGX || kind == TDX || s.Kind == "azure-tdx"; collateral && len(s.Endorsements) > 0 {
		e.Collateral, e.Endorsements = s.Endorsements[0], s.Endorsements[1:]
	}
	return e, nil
}

// intelVendor is the quoting enclave's vendor in every quote.
var intelVendor = []byte{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}

var tokenForm = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// detect tells the kind of evidence by its first bytes, or "".
func detect(src []byte) Kind {
	switch {
	case len(src) > 48 && bytes.Equal(src[12:28], intelVendor):
		if binary.LittleEndian.Uint32(src[4:]) != 0 {
			return TDX
		}
		return SGX
	case len(src) == snp.ReportSize && binary.LittleEndian.Uint32(src) < 16:
		return SNP
	case len(src) > 4 && src[0] == 0x84 && src[1]>>5 == 2: // COSE_Sign1 without its tag
		return Nitro
	case len(src) <= 64<<10 && tokenForm.Match(src):
		return Token
	case bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")):
		return detectForm(src)
	}
	if _, _, err := tpm.ParseGoogleForm(src); err == nil {
		return TPMGoogle
	}
	return ""
}

func detectForm(src []byte) Kind {
	var form struct {
		HCL   *json.RawMessage `json:"hcl_report"`
		Quote *json.RawMessage `json:"tpm_quote"`
	}
	switch {
	case len(src) > tpm.MaxForm || json.Unmarshal(src, &form) != nil:
		return ""
	case form.HCL != nil:
		return TPMAzure
	case form.Quote != nil:
		return TPM
	}
	return ""
}

// Said is what evidence says, without any proof.
type Said struct {
	Kind     Kind
	Build    string // as contracts name it, where the kind has such a name
	Measured string // as the hardware does
	Debug    *bool
	Fields   map[string]any
	Operator string // of hosted and simulated evidence: who says that the machine is its own
	Form     string // of the perimeter, by the operator's word
	Err      error  // why it could not be read
}

// Read reads what evidence says. It judges nothing.
func Read(e *Exhibit) *Said {
	f := &Finding{Kind: e.Kind}
	s := &Said{Kind: e.Kind}
	s.Build, s.Measured = measured(e)
	s.Err = f.readOnly(e)
	s.Debug, s.Fields = f.Debug, f.Fields
	if e.host != nil {
		s.Operator, s.Form = operatorOf(e.host.Report.Operator), e.host.Report.Perimeter.Form
	}
	if e.Kind == Simulated && s.Err == nil {
		key, _ := f.Fields["operator"].(string)
		s.Operator = operatorOf(key)
		if p, ok := f.Fields["perimeter"].(map[string]any); ok {
			s.Form, _ = p["form"].(string)
		}
	}
	return s
}

func operatorOf(key string) string {
	k, err := statement.ParsePublicKey(key)
	if err != nil {
		return ""
	}
	return string(k.Fingerprint())
}

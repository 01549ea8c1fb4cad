package tpm

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Limits of the forms below.
const (
	MaxForm   = 256 << 10 // bytes
	MaxQuotes = 4         // in one form
	maxPCRs   = 8 << 10   // bytes of the list of registers
)

// form is the JSON that Trustee's attesters send.
type form struct {
	Version  int    `json:"version"`
	HCL      string `json:"hcl_report"`
	TDQuote  string `json:"td_quote"`
	VCEK     string `json:"vcek"`
	AKPublic string `json:"ak_public"`
	Quote    struct {
		Message   string          `json:"message"`
		Signature string          `json:"signature"`
		PCRs      json.RawMessage `json:"pcrs"`
	} `json:"tpm_quote"`
}

func parseForm(src []byte) (*form, map[uint][]byte, error) {
	var f form
	if len(src) > MaxForm || json.Unmarshal(src, &f) != nil {
		return nil, nil, fmt.Errorf("%w: form", stage.Parse)
	}
	var list []string
	if len(f.Quote.PCRs) > maxPCRs || json.Unmarshal(f.Quote.PCRs, &list) != nil || len(list) > MaxPCR+1 {
		return nil, nil, fmt.Errorf("%w: registers", stage.Parse)
	}
	pcrs := map[uint][]byte{}
	for i, s := range list {
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: register %d", stage.Parse, i)
		}
		pcrs[uint(i)] = b
	}
	return &f, pcrs, nil
}

// ParseAzureForm reads the evidence of an Azure machine as Trustee's attesters send it, and the VCEK (DER) where it is on SNP.
func ParseAzureForm(src []byte) (e Azure, vcek []byte, err error) {
	f, pcrs, err := parseForm(src)
	if err != nil {
		return Azure{}, nil, err
	}
	message, err1 := hex.DecodeString(f.Quote.Message)
	sig, err2 := hex.DecodeString(f.Quote.Signature)
	hcl, err3 := decode(f.HCL)
	quote, err4 := decode(f.TDQuote)
	vcek, err5 := decode(f.VCEK)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return Azure{}, nil, fmt.Errorf("%w: form: %w", stage.Parse, err)
		}
	}
	if len(sig) > MaxSignature {
		return Azure{}, nil, fmt.Errorf("%w: signature of %d bytes", stage.Parse, len(sig))
	}
	return Azure{HCL: hcl, TDQuote: quote, Quote: Quote{Message: message, Signature: RSASSA(sig), PCRs: pcrs}}, vcek, nil
}

// decode reads base64, with or without padding.
func decode(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// ParsePlainForm reads a plain TPM's quote as Trustee's attesters send it, and the attestation key in it, which proves nothing
// unless the caller knows it.
func ParsePlainForm(src []byte) (Quote, crypto.PublicKey, error) {
	f, pcrs, err := parseForm(src)
	if err != nil {
		return Quote{}, nil, err
	}
	message, err1 := base64.StdEncoding.DecodeString(f.Quote.Message)
	sig, err2 := base64.StdEncoding.DecodeString(f.Quote.Signature)
	spki, err3 := base64.StdEncoding.DecodeString(f.AKPublic)
	if err1 != nil || err2 != nil || err3 != nil {
		return Quote{}, nil, fmt.Errorf("%w: form", stage.Parse)
	}
	ak, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return Quote{}, nil, fmt.Errorf("%w: attestation key", stage.Parse)
	}
	return Quote{Message: message, Signature: sig, PCRs: pcrs}, ak, nil
}

// ParseGoogleForm reads quotes of a Google machine as go-tpm-tools writes them (attest.Attestation), and the attestation key in
// it, which proves nothing unless the caller knows it. The event log, the certificate and all else is left alone.
func ParseGoogleForm(src []byte) ([]Quote, crypto.PublicKey, error) {
	if len(src) > MaxForm {
		return nil, nil, fmt.Errorf("%w: form of %d bytes", stage.Parse, len(src))
	}
	var quotes []Quote
	var public []byte
	err := fields(src, func(n protowire.Number, _ uint64, b []byte) error {
		switch n {
		case 1:
			public = b
		case 2:
			q, err := googleQuote(b)
			if err != nil || len(quotes) == MaxQuotes {
				return fmt.Errorf("%w: quotes", stage.Parse)
			}
			quotes = append(quotes, q)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	ak, err := ParsePublic(public)
	if err != nil {
		return nil, nil, err
	}
	return quotes, ak, nil
}

// googleQuote reads a tpm.Quote: message, signature, and registers as a map.
func googleQuote(src []byte) (Quote, error) {
	q := Quote{PCRs: map[uint][]byte{}}
	err := fields(src, func(n protowire.Number, _ uint64, b []byte) error {
		switch n {
		case 1:
			q.Message = b
		case 2:
			q.Signature = b
		case 3:
			return fields(b, func(n protowire.Number, _ uint64, b []byte) error {
				if n == 2 {
					return q.register(b)
				}
				return nil
			})
		}
		return nil
	})
	return q, err
}

// register reads one entry of the map. A number of zero may be left out.
func (q *Quote) register(src []byte) error {
	var at uint64
	var value []byte
	err := fields(src, func(n protowire.Number, v uint64, b []byte) error {
		switch n {
		case 1:
			at = v
		case 2:
			value = b
		}
		return nil
	})
	if err != nil {
		return err
	}
	if at > MaxPCR || q.PCRs[uint(at)] != nil || value == nil {
		return fmt.Errorf("%w: register %d", stage.Parse, at)
	}
	q.PCRs[uint(at)] = value
	return nil
}

// fields calls f for every field of a message: its number, and its value as a number or as bytes.
func fields(src []byte, f func(n protowire.Number, v uint64, b []byte) error) error {
	for len(src) > 0 {
		n, t, size := protowire.ConsumeTag(src)
		if size < 0 {
			return fmt.Errorf("%w: field", stage.Parse)
		}
		src = src[size:]
		var v uint64
		var b []byte
		switch t {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(src)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(src)
		default:
			size = protowire.ConsumeFieldValue(n, t, src)
		}
		if size < 0 {
			return fmt.Errorf("%w: field %d", stage.Parse, n)
		}
		src = src[size:]
		if err := f(n, v, b); err != nil {
			return err
		}
	}
	return nil
}

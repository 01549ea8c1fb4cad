package dcap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Collateral is what Intel says of the machines of one FMSPC, as recorded from its provisioning service: signed documents as
// they were signed, signatures r‖s, chains as PEM, CRLs as DER.
type Collateral struct {
	PCKCRLIssuerChain     string // of the CA that issues PCK certificates; may be empty: the quote shows it too
	RootCACRL             []byte // may be empty, but then no appraisal accepts
	PCKCRL                []byte // the same
	TCBInfoIssuerChain    string
	TCBInfo               string
	TCBInfoSignature      []byte
	QEIdentityIssuerChain string
	QEIdentity            string
	QEIdentitySignature   []byte
}

// fields of the JSON form, in order. Bytes are hex.
func (c *Collateral) fields() ([]string, map[string]any) {
	names := []string{
		"pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info", "tcb_info_signature",
		"qe_identity_issuer_chain", "qe_identity", "qe_identity_signature",
	}
	return names, map[string]any{
		"pck_crl_issuer_chain": &c.PCKCRLIssuerChain, "root_ca_crl": &c.RootCACRL, "pck_crl": &c.PCKCRL,
		"tcb_info_issuer_chain": &c.TCBInfoIssuerChain, "tcb_info": &c.TCBInfo, "tcb_info_signature": &c.TCBInfoSignature,
		"qe_identity_issuer_chain": &c.QEIdentityIssuerChain, "qe_identity": &c.QEIdentity, "qe_identity_signature": &c.QEIdentitySignature,
	}
}

// ParseCollateral reads the JSON form (docs/spec/evidence.md, section 7.2): one object of strings, no name twice, no other name.
// A name that is absent is an empty value. It proves nothing.
func ParseCollateral(src []byte) (*Collateral, error) {
	if len(src) > MaxCollateral {
		return nil, malformed("collateral of %d bytes", len(src))
	}
	c := new(Collateral)
	_, known := c.fields()
	err := eachString(src, func(name, value string) error {
		into, ok := known[name]
		if !ok {
			return errors.New("unknown name, or a name twice")
		}
		delete(known, name)
		switch into := into.(type) {
		case *string:
			*into = value
		case *[]byte:
			b, err := hex.DecodeString(value)
			if err != nil {
				return errors.New("not hex: " + name)
			}
			*into = b
		}
		return nil
	})
	if err == nil {
		err = c.bounded()
	}
	if err != nil {
		return nil, malformed("collateral: %v", err)
	}
	return c, nil
}

// RememberedCollateral is ParseCollateral, remembered by what it gave for the same bytes. What it returns is shared: it must not be changed.
func RememberedCollateral(m *remembered.Memory, at time.Time, src []byte) (*Collateral, error) {
	return remembered.Do(m, "dcap/collateral", at, [][]byte{src}, func() (*Collateral, remembered.Span, error) {
		c, err := ParseCollateral(src)
		return c, remembered.Always(), err
	})
}

// eachString calls f for every member of an object of strings.
func eachString(src []byte, f func(name, value string) error) error {
	d := json.NewDecoder(bytes.NewReader(src))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not an object")
	}
	for d.More() {
		var kv [2]string
		for i := range kv {
			t, err := d.Token()
			s, ok := t.(string)
			if err != nil || !ok {
				return errors.New("not an object of strings")
			}
			kv[i] = s
		}
		if err := f(kv[0], kv[1]); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("data behind the object")
	}
	return nil
}

func (c *Collateral) bounded() error {
	switch {
	case len(c.PCKCRLIssuerChain) > maxChain, len(c.TCBInfoIssuerChain) > maxChain, len(c.QEIdentityIssuerChain) > maxChain:
		return errors.New("chain too long")
	case len(c.RootCACRL) > maxCRL, len(c.PCKCRL) > maxCRL:
		return errors.New("CRL too long")
	case len(c.TCBInfo) > maxDocument, len(c.QEIdentity) > maxDocument:
		return errors.New("document too long")
	case len(c.TCBInfoSignature) > 64, len(c.QEIdentitySignature) > 64:
		return errors.New("signature too long")
	}
	return nil
}

// Marshal returns the JSON form that ParseCollateral reads. Empty values are left out.
func (c *Collateral) Marshal() ([]byte, error) {
	if err := c.bounded(); err != nil {
		return nil, malformed("collateral: %v", err)
	}
	names, values := c.fields()
	var out bytes.Buffer
	out.WriteString("{")
	for _, name := range names {
		var s string
		switch v := values[name].(type) {
		case *string:
			s = *v
		case *[]byte:
			s = hex.EncodeToString(*v)
		}
		if s == "" {
			continue
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("%w: collateral", stage.Parse)
		}
		if out.Len() > 1 {
			out.WriteString(",")
		}
		fmt.Fprintf(&out, "\n %q: %s", name, text)
	}
	out.WriteString("\n}\n")
	return slices.Clip(out.Bytes()), nil
}

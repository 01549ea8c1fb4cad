package snp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Extensions of endorsement keys (AMD 57230, "VCEK certificate", "VLEK certificate"), below 1.3.6.1.4.1.3704.1.
var (
	oidTCB  = []int{1, 3, 6, 1, 4, 1, 3704, 1, 3}
	oidHWID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 4}
	oidCSP  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 5}
)

// shifts says where a component of the TCB stands in the report's number, by the last part of its object identifier.
// Turin counts the FMC firmware (9) first and moves the others.
func shifts(line string) map[int]int {
	if line == Turin {
		return map[int]int{9: 0, 1: 8, 2: 16, 3: 24, 8: 56}
	}
	return map[int]int{1: 0, 2: 8, 4: 16, 5: 24, 6: 32, 7: 40, 3: 48, 8: 56}
}

// endorsed is what AMD says about a signing key.
type endorsed struct {
	tcb  TCB
	hwid []byte // of a VCEK
	csp  string // of a VLEK
}

// parseEndorsement reads the certificate of a signing key, which holds a P-384 key and is named for its kind.
func parseEndorsement(der []byte, key string) (*x509.Certificate, error) {
	if len(der) > MaxEndorsement {
		return nil, fmt.Errorf("%w: endorsement of %d bytes", stage.Parse, len(der))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: endorsement is no certificate", stage.Chain)
	}
	pub, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P384() {
		return nil, fmt.Errorf("%w: %s is not a P-384 key", stage.Chain, key)
	}
	if c.Subject.CommonName != "SEV-"+key {
		return nil, fmt.Errorf("%w: endorsement of another kind of key", stage.EndorsementMismatch)
	}
	return c, nil
}

// extensions reads what the certificate says about the key.
func extensions(c *x509.Certificate, line string) (*endorsed, error) {
	var e endorsed
	shift := shifts(line)
	for _, x := range c.Extensions {
		switch {
		case len(x.Id) == len(oidTCB)+1 && slices.Equal(x.Id[:len(oidTCB)], oidTCB):
			var n int
			rest, err := asn1.Unmarshal(x.Value, &n)
			at, known := shift[x.Id[len(oidTCB)]]
			if err != nil || len(rest) != 0 || n < 0 || n > 255 || !known && n != 0 {
				return nil, fmt.Errorf("%w: TCB of the endorsement", stage.EndorsementMismatch)
			}
			if known {
				delete(shift, x.Id[len(oidTCB)])
				e.tcb |= TCB(n) << at
			}
		case x.Id.Equal(oidHWID):
			e.hwid = hwid(x.Value)
		case x.Id.Equal(oidCSP):
			if _, err := asn1.UnmarshalWithParams(x.Value, &e.csp, "ia5"); err != nil {
				return nil, fmt.Errorf("%w: provider of the endorsement", stage.EndorsementMismatch)
			}
		}
	}
	if len(shift) != 0 {
		return nil, fmt.Errorf("%w: the endorsement's TCB is not whole", stage.EndorsementMismatch)
	}
	return &e, nil
}

// hwid reads a chip's name. AMD writes it without a tag; one with a tag is read as well.
func hwid(value []byte) []byte {
	var tagged []byte
	if rest, err := asn1.Unmarshal(value, &tagged); err == nil && len(rest) == 0 && len(value) != 64 && len(value) != 8 {
		return tagged
	}
	return value
}

// matches says whether a key was made for the platform that the report claims: its TCB, and for a VCEK its chip.
func (e *endorsed) matches(v *Verified) error {
	if e.tcb != v.ReportedTCB {
		return fmt.Errorf("%w: key for TCB %s, report of %s", stage.EndorsementMismatch, e.tcb, v.ReportedTCB)
	}
	if v.SigningKey == VLEK {
		if e.csp == "" || e.hwid != nil {
			return fmt.Errorf("%w: VLEK of no provider", stage.EndorsementMismatch)
		}
		return nil
	}
	chip := []byte(v.ChipID)
	if v.Line == Turin && len(e.hwid) == 8 && bytes.Equal(chip[8:], make([]byte, 56)) {
		chip = chip[:8] // all that Turin's have
	}
	if e.csp != "" || !bytes.Equal(e.hwid, chip) {
		return fmt.Errorf("%w: key of another chip", stage.EndorsementMismatch)
	}
	return nil
}

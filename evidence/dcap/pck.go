package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// PCK is what the certificate of a machine's provisioning key says of the machine.
type PCK struct {
	FMSPC  [6]byte // family, model, stepping, platform type, custom SKU
	PCEID  [2]byte
	CPUSVN [16]byte // the components of the TCB, each on its own
	PCESVN uint16
	CA     string // common name of the issuer
}

var (
	oidSGX = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

	errExtension = errors.New("no SGX extension, or one that is not understood")
)

// item is an entry of Intel's extension: an id below oidSGX, and a value of the id's own type.
type item struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue
}

// parsePCK reads the SGX extension of a PCK certificate (Intel, SGX PCK Certificate and Certificate Revocation List Profile
// Specification). Each entry that is used must stand in it once.
func parsePCK(cert *x509.Certificate) (p PCK, err error) {
	var ext []byte
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSGX) {
			ext = e.Value
		}
	}
	items, err := parseItems(ext, oidSGX)
	if err != nil {
		return PCK{}, err
	}
	if err := errors.Join(octets(items[4], p.FMSPC[:]), octets(items[3], p.PCEID[:])); err != nil {
		return PCK{}, err
	}
	tcb, err := parseItems(items[2].FullBytes, append(slices.Clone(oidSGX), 2))
	if err != nil {
		return PCK{}, err
	}
	for i := range p.CPUSVN {
		n, err := integer(tcb[i+1], 0xff)
		if err != nil {
			return PCK{}, err
		}
		p.CPUSVN[i] = byte(n)
	}
	n, err := integer(tcb[17], 0xffff)
	p.PCESVN = uint16(n)
	return p, err
}

// parseItems reads a sequence of entries, by the last number of their id.
func parseItems(der []byte, under asn1.ObjectIdentifier) (map[int]asn1.RawValue, error) {
	var list []item
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 {
		return nil, errExtension
	}
	out := map[int]asn1.RawValue{}
	for _, x := range list {
		if len(x.ID) != len(under)+1 || !x.ID[:len(under)].Equal(under) {
			return nil, errExtension
		}
		n := x.ID[len(under)]
		if _, twice := out[n]; twice {
			return nil, fmt.Errorf("%w: entry %d twice", errExtension, n)
		}
		out[n] = x.Value
	}
	return out, nil
}

func octets(v asn1.RawValue, into []byte) error {
	if v.Class != asn1.ClassUniversal || v.Tag != asn1.TagOctetString || len(v.Bytes) != len(into) {
		return errExtension
	}
	copy(into, v.Bytes)
	return nil
}

func integer(v asn1.RawValue, limit int) (int, error) {
	var n int
	if rest, err := asn1.Unmarshal(v.FullBytes, &n); err != nil || len(rest) > 0 || n < 0 || n > limit {
		return 0, errExtension
	}
	return n, nil
}

// revokes says whether a list names a certificate.
func revokes(l *x509.RevocationList, c *x509.Certificate) bool {
	return bytes.Equal(l.RawIssuer, c.RawIssuer) && slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(c.SerialNumber) == 0
	})
}

package exhibit

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/token"
)

// parseRoots reads trust anchors in PEM.
func parseRoots(src []byte) (out []*x509.Certificate, err error) {
	for b, rest := pem.Decode(src); b != nil; b, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, errors.New("no trust anchor in the file that was given as root")
	}
	return out, nil
}

func snpAnchors(e *Exhibit) (snp.Anchors, error) {
	if len(e.Root) == 0 {
		return snp.AMD()
	}
	return snp.ParseAnchors(e.Root)
}

func oneRoot(e *Exhibit, parse func([]byte) (*x509.Certificate, error), vendor func() (*x509.Certificate, error)) (*x509.Certificate, error) {
	if len(e.Root) == 0 {
		return vendor()
	}
	return parse(e.Root)
}

// vendorRoot says whether the root that was given is one that this program pins itself. What can't be read is none.
func vendorRoot(e *Exhibit) bool {
	given, err := parseRoots(e.Root)
	if err != nil {
		return false
	}
	known := dcap.IntelRoots()
	for _, vendor := range []func() (*x509.Certificate, error){nitro.AWS, token.Google} {
		c, err := vendor()
		if err != nil {
			return false
		}
		known = append(known, c)
	}
	amd, err := snp.AMD()
	if err != nil {
		return false
	}
	known = append(known, amd.Certificates()...)
	return !slices.ContainsFunc(given, func(g *x509.Certificate) bool { return !slices.ContainsFunc(known, g.Equal) })
}

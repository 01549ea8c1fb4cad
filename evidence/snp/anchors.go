package snp

import (
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

//go:embed roots/*.pem
var roots embed.FS

// Lines of processors. Each has its own root key.
const (
	Milan = "Milan"
	Genoa = "Genoa" // also Bergamo and Siena
	Turin = "Turin"
)

// Keys that sign reports.
const (
	VCEK = "VCEK" // of one chip
	VLEK = "VLEK" // of a cloud provider
)

// anchor is a root key (ARK) with the one intermediate key (ASK or ASVK) that is accepted under it.
type anchor struct {
	line, key string
	ask, ark  *x509.Certificate
}

// Anchors are the roots that reports may lead to. The zero value has none and refuses every report.
type Anchors struct{ list []anchor }

// AMD returns AMD's roots for Milan, Genoa and Turin, of VCEKs and VLEKs.
func AMD() (Anchors, error) {
	files, err := fs.Glob(roots, "roots/*.pem")
	if err != nil {
		return Anchors{}, err
	}
	var out Anchors
	for _, f := range files {
		src, err := roots.ReadFile(f)
		if err != nil {
			return Anchors{}, err
		}
		a, err := ParseAnchors(src)
		if err != nil {
			return Anchors{}, err
		}
		out.list = append(out.list, a.list...)
	}
	return out, nil
}

// And returns the anchors of both.
func (a Anchors) And(b Anchors) Anchors { return Anchors{list: slices.Concat(a.list, b.list)} }

// Certificates returns all that is pinned: intermediates and roots.
func (a Anchors) Certificates() (out []*x509.Certificate) {
	for _, x := range a.list {
		out = append(out, x.ask, x.ark)
	}
	return out
}

// ParseAnchors reads one chain in the form of AMD's key server: ASK or ASVK, then ARK, in PEM.
func ParseAnchors(src []byte) (Anchors, error) {
	var certs []*x509.Certificate
	for len(certs) < 3 {
		block, rest := pem.Decode(src)
		if block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			return Anchors{}, fmt.Errorf("%w: anchor is no certificate", stage.Parse)
		}
		certs, src = append(certs, c), rest
	}
	if len(certs) != 2 || strings.TrimSpace(string(src)) != "" {
		return Anchors{}, fmt.Errorf("%w: an anchor is two certificates", stage.Parse)
	}
	a := anchor{ask: certs[0], ark: certs[1]}
	var ok bool
	if a.line, a.key, ok = issuerName(a.ask.Subject.CommonName); !ok {
		return Anchors{}, fmt.Errorf("%w: anchor for no line of processors", stage.Parse)
	}
	// What a caller pins must hang together, or a slip would trust an intermediate of another root. It is looked at here, once: no
	// report changes it, and chains end at the intermediate (issued).
	if !a.hangs() {
		return Anchors{}, fmt.Errorf("%w: anchor's intermediate is not the root's", stage.Chain)
	}
	return Anchors{list: []anchor{a}}, nil
}

// hangs says whether the intermediate is the root's, and may issue what a chain ends in: when, is asked for each report.
func (a *anchor) hangs() bool {
	if a.ark.CheckSignatureFrom(a.ark) != nil {
		return false
	}
	from := a.ask.NotBefore
	if from.Before(a.ark.NotBefore) {
		from = a.ark.NotBefore
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.ark)
	_, err := a.ask.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: from, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil && !(a.ark.MaxPathLen == 0 && a.ark.MaxPathLenZero)
}

// issuerName reads the name of an ASK or ASVK: SEV-Milan, SEV-VLEK-Milan.
func issuerName(cn string) (line, key string, ok bool) {
	line, key = strings.TrimPrefix(cn, "SEV-"), VCEK
	if l, vlek := strings.CutPrefix(line, "VLEK-"); vlek {
		line, key = l, VLEK
	}
	return line, key, strings.HasPrefix(cn, "SEV-") && (line == Milan || line == Genoa || line == Turin)
}

// of returns the anchors for one line and kind of key.
func (a Anchors) of(line, key string) []anchor {
	var out []anchor
	for _, x := range a.list {
		if x.line == line && x.key == key {
			out = append(out, x)
		}
	}
	return out
}

package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

// judgeDCAP judges quotes of SGX and TDX. What a refused quote says is compared as well, as far as it can be read.
func judgeDCAP(c *cases.Case) (o cases.Outcome) {
	raw, collateral, roots, err := readDCAP(c)
	if err != nil {
		o.Err = err
		return o
	}
	if q, err := dcap.Parse(raw); err == nil {
		debug := q.Debug()
		o.Debug, o.Fields = &debug, q.Fields()
	}
	v, err := dcap.Verify(raw, collateral, dcap.Options{Roots: roots, At: c.At})
	if err != nil {
		o.Err = err
		return o
	}
	o.TCB = tcbFields(v.TCB)
	_, o.Err = dcap.Appraise(v, dcapPolicy(c))
	return o
}

// dcapPolicy is the one that collections assume. It asks for no date: DCAP is younger than this one.
func dcapPolicy(c *cases.Case) dcap.Policy {
	return dcap.Policy{
		Statuses:      []dcap.Status{dcap.UpToDate, dcap.SWHardeningNeeded},
		AnyAdvisory:   true,
		MinTCBDate:    time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC),
		MinEvaluation: 1,
		AllowDebug:    c.RequireBool("allow_debug"),
	}
}

func readDCAP(c *cases.Case) (raw []byte, collateral *dcap.Collateral, roots []*x509.Certificate, err error) {
	if err = demands(c, "allow_debug"); err != nil {
		return nil, nil, nil, err
	}
	if raw, err = c.Read(c.File); err != nil {
		return nil, nil, nil, err
	}
	if roots, err = readRoots(c); err != nil {
		return raw, nil, nil, err
	}
	collateral, err = readCollateral(c)
	return raw, collateral, roots, err
}

// readCollateral reads that of a case; nil where it has none.
func readCollateral(c *cases.Case) (*dcap.Collateral, error) {
	if c.Collateral == "" {
		return nil, nil
	}
	src, err := c.Read(c.Collateral)
	if err != nil {
		return nil, err
	}
	return dcap.ParseCollateral(src)
}

// readRoots reads the trust anchors of a case. There is no default.
func readRoots(c *cases.Case) (out []*x509.Certificate, err error) {
	src, err := c.Read(c.Root)
	if err != nil {
		return nil, err
	}
	for b, rest := pem.Decode(src); b != nil; b, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, errors.New("no trust anchor in " + c.Root)
	}
	return out, nil
}

// tcbFields are a TCB by the names of the collections.
func tcbFields(t *dcap.TCB) map[string]any {
	if t == nil {
		return nil
	}
	out := map[string]any{
		"status": t.Status, "platform": t.Platform, "qe": t.QE, "advisories": len(t.Advisories), "crl": t.CRLs,
		"tcb_date": t.Date.UTC().Format(time.DateOnly), "tcb_eval_num": t.Evaluation,
	}
	if t.Module != "" {
		out["tdx_module"] = t.Module
	}
	return out
}

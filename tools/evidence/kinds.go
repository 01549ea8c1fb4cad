package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/token"
	"github.com/cordon-exchange/cordon/evidence/tpm"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

// verified is the outcome of a verifier that tells nothing of what it refuses: what it can read of refused debug evidence is read
// once more with the flag that lets it in.
func verified[T any](verify func(allowDebug bool) (*T, error), debug func(*T) bool, allow bool) (o cases.Outcome) {
	v, err := verify(allow)
	if o.Err = err; err != nil {
		if !errors.Is(err, stage.Debug) {
			return o
		}
		if v, err = verify(true); err != nil {
			o.Err = errors.Join(o.Err, err)
			return o
		}
	}
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &o.Fields)
	}
	if err != nil {
		o.Err = errors.Join(o.Err, err)
	}
	is := debug(v)
	o.Debug = &is
	return o
}

// demands refuses a case that demands what is not understood here.
func demands(c *cases.Case, known ...string) error {
	for name := range c.Require {
		if !slices.Contains(known, name) {
			return fmt.Errorf("demand %q is not understood", name)
		}
	}
	return nil
}

func judgeSNP(c *cases.Case) cases.Outcome {
	anchors, err := snpAnchors(c)
	if err != nil {
		return cases.Outcome{Err: err}
	}
	report, err := c.Read(c.File)
	if err != nil {
		return cases.Outcome{Err: err}
	}
	if len(c.Endorsements) != 1 {
		return cases.Outcome{Err: errors.New("a report comes with one endorsement")}
	}
	ek, err := c.Read(c.Endorsements[0])
	if err := errors.Join(err, demands(c, "allow_debug")); err != nil {
		return cases.Outcome{Err: err}
	}
	return verified(func(debug bool) (*snp.Verified, error) {
		return snp.Verify(report, ek, snp.Options{Anchors: anchors, At: c.At, AllowDebug: debug})
	}, func(v *snp.Verified) bool { return v.Debug }, c.RequireBool("allow_debug"))
}

func snpAnchors(c *cases.Case) (snp.Anchors, error) {
	src, err := c.Read(c.Root)
	if err != nil {
		return snp.Anchors{}, err
	}
	return snp.ParseAnchors(src)
}

func judgeNitro(c *cases.Case) cases.Outcome {
	src, err1 := c.Read(c.Root)
	doc, err2 := c.Read(c.File)
	if err := errors.Join(err1, err2, demands(c, "allow_debug")); err != nil {
		return cases.Outcome{Err: err}
	}
	root, err := nitro.ParseRoot(src)
	if err != nil {
		return cases.Outcome{Err: err}
	}
	return verified(func(debug bool) (*nitro.Verified, error) {
		return nitro.Verify(doc, nitro.Options{Root: root, At: c.At, AllowDebug: debug})
	}, func(v *nitro.Verified) bool { return v.Debug }, c.RequireBool("allow_debug"))
}

func judgeToken(c *cases.Case) cases.Outcome {
	raw, err := c.Read(c.File)
	if err := errors.Join(err, demands(c, "iss", "aud", "eat_nonce", "allow_debug")); err != nil {
		return cases.Outcome{Err: err}
	}
	o := token.Options{At: c.At, Issuer: c.RequireText("iss"), Audience: c.RequireText("aud"), Nonce: c.RequireText("eat_nonce")}
	o.AnyNonce = o.Nonce == ""
	anchor := c.Root
	if len(c.Endorsements) > 0 {
		anchor = c.Endorsements[0]
	}
	src, err := c.Read(anchor)
	if err != nil {
		return cases.Outcome{Err: err}
	}
	if len(c.Endorsements) > 0 {
		o.Keys, err = token.ParseKeys(src)
	} else {
		o.Root, err = token.ParseRoot(src)
	}
	if err != nil {
		return cases.Outcome{Err: err}
	}
	return verified(func(debug bool) (*token.Verified, error) {
		o.AllowDebug = debug
		return token.Verify(raw, o)
	}, func(v *token.Verified) bool { return v.Debug }, c.RequireBool("allow_debug"))
}

// nonceSize is what a nonce that is given by its start is filled up to, with zeros.
const nonceSize = 64

func judgeTPM(c *cases.Case) cases.Outcome {
	src, err := c.Read(c.File)
	nonce, err2 := hex.DecodeString(c.RequireText("nonce_hex") + c.RequireText("nonce_prefix_hex"))
	if err := errors.Join(err, err2, demands(c, "nonce_hex", "nonce_prefix_hex")); err != nil {
		return cases.Outcome{Err: err}
	}
	if c.RequireText("nonce_prefix_hex") != "" && len(nonce) < nonceSize {
		nonce = append(nonce, make([]byte, nonceSize-len(nonce))...)
	}
	return verified(func(bool) (*tpm.Verified, error) { return verifyTPM(c, src, nonce) }, func(*tpm.Verified) bool { return false }, false)
}

// verifyTPM tells the form by the file's name, as the collection does. The keys that plain quotes come with are taken as pinned.
func verifyTPM(c *cases.Case, src, nonce []byte) (v *tpm.Verified, err error) {
	switch {
	case strings.HasSuffix(c.File, ".pb"):
		quotes, ak, err := tpm.ParseGoogleForm(src)
		if err != nil {
			return nil, err
		}
		for _, q := range quotes {
			if v, err = tpm.Verify(q, ak, nonce); err == nil || !errors.Is(err, stage.Alg) { // one is over SHA-1
				return v, err
			}
		}
		return nil, err
	case strings.HasPrefix(c.File, "plain"):
		q, ak, err := tpm.ParsePlainForm(src)
		if err != nil {
			return nil, err
		}
		return tpm.Verify(q, ak, nonce)
	}
	e, vcek, err := tpm.ParseAzureForm(src)
	if err != nil {
		return nil, err
	}
	return tpm.VerifyAzure(e, tpm.AzureOptions{
		Nonce: nonce,
		SNP: func(raw []byte) ([]byte, error) {
			anchors, err := snpAnchors(c)
			if err != nil {
				return nil, err
			}
			v, err := snp.Verify(raw, vcek, snp.Options{Anchors: anchors, At: c.At})
			if err != nil {
				return nil, err
			}
			return v.ReportData, nil
		},
		TDX: func(raw []byte) ([]byte, error) { return verifyTD(c, raw) },
	})
}

// verifyTD verifies and appraises a TD quote by the policy that collections assume.
func verifyTD(c *cases.Case, raw []byte) ([]byte, error) {
	roots, err := readRoots(c)
	if err != nil {
		return nil, err
	}
	collateral, err := readCollateral(c)
	if err != nil {
		return nil, err
	}
	v, err := dcap.Verify(raw, collateral, dcap.Options{Roots: roots, At: c.At})
	if err != nil {
		return nil, err
	}
	if _, err := dcap.Appraise(v, dcapPolicy(c)); err != nil {
		return nil, err
	}
	data := v.ReportData()
	return data[:], nil
}

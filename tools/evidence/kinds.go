package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

// kindOf a case, by the name of its folder; in vtpm, as the collection does, by the name of its file.
type kindOf func(c *cases.Case) exhibit.Kind

func always(k exhibit.Kind) kindOf { return func(*cases.Case) exhibit.Kind { return k } }

// kinds are the forms of evidence by name of folder.
func kinds() map[string]kindOf {
	return map[string]kindOf{
		"sgx": always(exhibit.SGX), "tdx": always(exhibit.TDX), "snp": always(exhibit.SNP), "nitro": always(exhibit.Nitro),
		"token": always(exhibit.Token), "vtpm": kindOfTPM,
	}
}

func kindOfTPM(c *cases.Case) exhibit.Kind {
	switch {
	case strings.HasSuffix(c.File, ".pb"):
		return exhibit.TPMGoogle
	case strings.HasPrefix(c.File, "plain"):
		return exhibit.TPM
	}
	return exhibit.TPMAzure
}

// judge judges a case with the files that it names. What can't be read is a refusal.
func judge(c *cases.Case, kind exhibit.Kind) (o cases.Outcome) {
	e, err := exhibitOf(c, kind)
	if err != nil {
		return cases.Outcome{Err: err}
	}
	f := exhibit.Judge(e)
	return cases.Outcome{Err: f.Err, Debug: f.Debug, Fields: f.Fields, TCB: f.TCB}
}

// demands are those that cases of a kind may make; every other one is refused.
func demands(c *cases.Case, kind exhibit.Kind) error {
	known := []string{"allow_debug"}
	switch kind {
	case exhibit.Token:
		known = []string{"iss", "aud", "eat_nonce", "allow_debug"}
	case exhibit.TPM, exhibit.TPMGoogle, exhibit.TPMAzure:
		known = []string{"nonce_hex", "nonce_prefix_hex"}
	}
	for name := range c.Require {
		if !slices.Contains(known, name) {
			return fmt.Errorf("demand %q is not understood", name)
		}
	}
	return nil
}

func exhibitOf(c *cases.Case, kind exhibit.Kind) (*exhibit.Exhibit, error) {
	e := &exhibit.Exhibit{Kind: kind, At: c.At, Demands: exhibit.Demands{
		Issuer: c.RequireText("iss"), Audience: c.RequireText("aud"), Nonce: c.RequireText("eat_nonce"),
		AnyNonce: c.RequireText("eat_nonce") == "", AllowDebug: c.RequireBool("allow_debug"), AKAsGiven: true,
	}}
	var errs [4]error
	e.Raw, errs[0] = c.Read(c.File)
	errs[1] = demands(c, kind)
	e.Qualifying, errs[2] = nonce(c)
	errs[3] = attach(e, c)
	return e, errors.Join(errs[:]...)
}

// attach reads what a case names beside its evidence. There is no default for a root.
func attach(e *exhibit.Exhibit, c *cases.Case) (err error) {
	if c.Collateral != "" {
		if e.Collateral, err = c.Read(c.Collateral); err != nil {
			return err
		}
	}
	for _, name := range c.Endorsements {
		b, err := c.Read(name)
		if err != nil {
			return err
		}
		e.Endorsements = append(e.Endorsements, b)
	}
	if e.Kind == exhibit.TPM || e.Kind == exhibit.TPMGoogle || e.Kind == exhibit.Token && len(e.Endorsements) > 0 {
		return nil // the keys that come with these are taken as pinned
	}
	if e.Root, err = c.Read(c.Root); err == nil && len(e.Root) == 0 {
		err = errors.New("no trust anchor in " + c.Root)
	}
	return err
}

// nonceSize is what a nonce that is given by its start is filled up to, with zeros.
const nonceSize = 64

func nonce(c *cases.Case) ([]byte, error) {
	n, err := hex.DecodeString(c.RequireText("nonce_hex") + c.RequireText("nonce_prefix_hex"))
	if c.RequireText("nonce_prefix_hex") != "" && len(n) < nonceSize {
		n = append(n, make([]byte, nonceSize-len(n))...)
	}
	return n, err
}

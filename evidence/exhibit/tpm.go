package exhibit

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

func judgePlain(e *Exhibit, trail *stage.Trail, f *Finding) {
	q, given, err := tpm.ParsePlainForm(e.Raw)
	if err != nil {
		f.Err = err
		return
	}
	f.readTPM(q)
	f.judgeQuotes(e, trail, []tpm.Quote{q}, given)
}

func judgeGoogle(e *Exhibit, trail *stage.Trail, f *Finding) {
	quotes, given, err := tpm.ParseGoogleForm(e.Raw)
	if err != nil {
		f.Err = err
		return
	}
	for _, q := range quotes {
		f.readTPM(q)
	}
	f.judgeQuotes(e, trail, quotes, given)
}

func (f *Finding) readTPM(q tpm.Quote) {
	if c, err := tpm.ParseQuote(q); err == nil {
		f.says(c)
		f.data = c.Nonce
	}
}

// judgeQuotes judges the first quote whose digests are accepted: one of a Google machine is over SHA-1.
func (f *Finding) judgeQuotes(e *Exhibit, trail *stage.Trail, quotes []tpm.Quote, given crypto.PublicKey) {
	debug := false // a TPM knows no such mode
	f.Debug = &debug
	ak, err := attestationKey(e, given)
	if err == nil && len(e.Qualifying) == 0 {
		err = fmt.Errorf("%w: the nonce that the quote must have", ErrMissing)
	}
	if err != nil {
		f.Err = err
		return
	}
	for _, q := range quotes {
		one := new(stage.Trail)
		v, err := tpm.VerifyNoted(q, ak, e.Qualifying, one)
		if f.Err = err; errors.Is(err, stage.Alg) {
			continue
		}
		for _, p := range one.Passed() {
			trail.Pass(p.Stage, "%s", p.Found)
		}
		if err == nil {
			f.says(v)
			f.Root = "the attestation key that was pinned"
			if len(e.AK) == 0 {
				f.Root = "nobody: the attestation key was taken as it came"
			}
		}
		return
	}
	if len(quotes) == 0 {
		f.Err = fmt.Errorf("%w: no quote", stage.Parse)
	}
}

// attestationKey is the pinned one; the one that came only if the caller says so by name.
func attestationKey(e *Exhibit, given crypto.PublicKey) (crypto.PublicKey, error) {
	switch {
	case len(e.AK) > 0:
		der := e.AK
		if b, _ := pem.Decode(e.AK); b != nil {
			der = b.Bytes
		}
		k, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: pinned attestation key", stage.Parse)
		}
		return k, nil
	case e.AKAsGiven:
		return given, nil
	}
	return nil, fmt.Errorf("%w: the attestation key that is pinned for this machine, or that it is taken as it came", ErrMissing)
}

// judgeAzure judges the machine's hardware first, then what is bound to it.
func judgeAzure(e *Exhibit, trail *stage.Trail, f *Finding) {
	a, vcek, err := tpm.ParseAzureForm(e.Raw)
	if err != nil {
		f.Err = err
		return
	}
	if c, _, err := tpm.ParseAzure(a); err == nil {
		f.says(c)
	}
	if len(e.Qualifying) == 0 {
		f.Err = fmt.Errorf("%w: the nonce that the quote must have", ErrMissing)
		return
	}
	inner := func(kind Kind, endorsements [][]byte) tpm.Hardware {
		return func(raw []byte) ([]byte, error) {
			f.Hardware = Judge(&Exhibit{
				Kind: kind, Raw: raw, Collateral: e.Collateral, Endorsements: endorsements, Root: e.Root, At: e.At,
				Demands: Demands{AllowDebug: e.AllowDebug},
			})
			return f.Hardware.data, f.Hardware.Err
		}
	}
	v, err := tpm.VerifyAzure(a, tpm.AzureOptions{
		Nonce: e.Qualifying, SNP: inner(SNP, append([][]byte{vcek}, e.Endorsements...)), TDX: inner(TDX, nil), Trail: trail,
	})
	if f.Hardware != nil {
		f.Debug, f.TCB = f.Hardware.Debug, f.Hardware.TCB
	}
	if err != nil {
		f.Err = err
		return
	}
	f.says(v)
	f.Root = f.Hardware.Root
	f.data = v.Nonce
}

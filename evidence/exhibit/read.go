package exhibit

import (
	"fmt"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/token"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// readOnly reads what evidence says, without any verification.
func (f *Finding) readOnly(e *Exhibit) error {
	switch e.Kind {
	case SGX, TDX:
		q, err := dcap.Parse(e.Raw)
		if err != nil {
			return err
		}
		return f.readQuote(e, q)
	case SNP:
		r, err := snp.Parse(e.Raw)
		return read(f, r, err, func(r *snp.Report) *bool { return &r.Debug })
	case Nitro:
		d, err := nitro.Parse(e.Raw)
		return read(f, d, err, func(d *nitro.Document) *bool { return &d.Debug })
	case Token:
		c, err := token.Parse(e.Raw)
		return read(f, c, err, func(c *token.Claims) *bool { return &c.Debug })
	case Simulated:
		r, err := simulated.Read(e.Raw)
		return read(f, r, err, func(*evidence.Report) *bool { return nil })
	}
	return f.readOnlyTPM(e)
}

func read[T any](f *Finding, v *T, err error, debug func(*T) *bool) error {
	if err != nil {
		return staged(err)
	}
	f.says(v)
	f.Debug = debug(v)
	return f.Err
}

func (f *Finding) readOnlyTPM(e *Exhibit) error {
	switch e.Kind {
	case TPM:
		q, _, err := tpm.ParsePlainForm(e.Raw)
		return f.readOnlyQuote(err, q)
	case TPMSoftware:
		q, _, err := parseSoft(e.Raw)
		return f.readOnlyQuote(err, q)
	case TPMGoogle:
		quotes, _, err := tpm.ParseGoogleForm(e.Raw)
		return f.readOnlyQuote(err, quotes...)
	case TPMAzure:
		a, _, err := tpm.ParseAzureForm(e.Raw)
		if err != nil {
			return err
		}
		c, _, err := tpm.ParseAzure(a)
		return read(f, c, err, func(*tpm.Content) *bool { return nil })
	}
	return fmt.Errorf("%w: evidence of kind %.40q", stage.Parse, string(e.Kind))
}

// readOnlyQuote reads the first quote that can be read.
func (f *Finding) readOnlyQuote(err error, quotes ...tpm.Quote) error {
	if err != nil {
		return err
	}
	err = fmt.Errorf("%w: no quote", stage.Parse)
	for _, q := range quotes {
		var c *tpm.Content
		if c, err = tpm.ParseQuote(q); err == nil {
			return read(f, c, nil, func(*tpm.Content) *bool { return nil })
		}
	}
	return err
}

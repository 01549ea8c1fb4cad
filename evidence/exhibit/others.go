package exhibit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/token"
	"github.com/cordon-exchange/cordon/statement"
)

func judgeNitro(e *Exhibit, trail *stage.Trail, f *Finding) {
	if d, err := nitro.Parse(e.Raw); err == nil {
		f.says(d)
		f.Debug, f.data = &d.Debug, d.UserData
	}
	root, err := oneRoot(e, nitro.ParseRoot, nitro.AWS)
	if err != nil {
		f.Err = err
		return
	}
	v, err := nitro.Verify(e.Raw, nitro.Options{Root: root, At: e.At, AllowDebug: e.AllowDebug, Trail: trail})
	if err != nil {
		f.Err = err
		return
	}
	f.says(v)
	f.Root = "AWS (" + root.Subject.CommonName + ")"
}

func judgeToken(e *Exhibit, trail *stage.Trail, f *Finding) {
	if c, err := token.Parse(e.Raw); err == nil {
		f.says(c)
		f.Debug = &c.Debug
	}
	o := token.Options{At: e.At, Issuer: e.Issuer, Audience: e.Audience, Nonce: e.Nonce, AnyNonce: e.AnyNonce, AllowDebug: e.AllowDebug, Trail: trail}
	if o.Issuer == "" {
		o.Issuer = token.Issuer
	}
	switch {
	case e.Audience == "":
		f.Err = fmt.Errorf("%w: the audience that the token must be for", ErrMissing)
		return
	case (e.Nonce == "") == !e.AnyNonce:
		f.Err = fmt.Errorf("%w: the nonce that the token must have, or that any is accepted", ErrMissing)
		return
	case len(e.Endorsements) > 0:
		o.Keys, f.Err = token.ParseKeys(e.Endorsements[0])
	default:
		o.Root, f.Err = oneRoot(e, token.ParseRoot, token.Google)
	}
	if f.Err != nil {
		return
	}
	v, err := token.Verify(e.Raw, o)
	if err != nil {
		f.Err = err
		return
	}
	f.says(v)
	f.Root = "Google's attestation service, which verified the hardware: its word, not the hardware's"
}

// judgeSimulated judges the word of an operator.
func judgeSimulated(e *Exhibit, trail *stage.Trail, f *Finding) {
	if r, err := simulated.Read(e.Raw); err == nil {
		f.says(r)
	}
	c, err := simulated.Verify(context.Background(), &statement.Evidence{Kind: simulated.Kind, Raw: e.Raw, Endorsements: e.Endorsements}, e.At)
	if err != nil {
		f.Err = staged(err)
		if !errors.Is(f.Err, stage.Parse) {
			trail.Pass(stage.Parse, "a report in its one encoding")
			if !errors.Is(f.Err, stage.Signature) {
				trail.Pass(stage.Signature, "its operator signed it")
			}
		}
		return
	}
	trail.Pass(stage.Parse, "a report in its one encoding")
	trail.Pass(stage.Signature, "the operator %s signed it", c.Operator)
	trail.Pass(stage.Expired, "made at %s", c.MadeAt.UTC().Format(time.RFC3339))
	f.Debug, f.data = &c.Debug, c.ReportData[:]
	f.Root = "the operator " + string(c.Operator) + " alone"
}

// staged names the check behind an error of package evidence.
func staged(err error) error {
	for is, s := range map[error]stage.Error{
		evidence.ErrMalformed: stage.Parse, evidence.ErrSignature: stage.Signature, evidence.ErrClock: stage.Expired,
	} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", s, err)
		}
	}
	return err
}

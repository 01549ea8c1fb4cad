package exhibit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// judgeDCAP judges quotes of SGX and TDX. What a refused quote says is read as well, as far as it can be.
func judgeDCAP(e *Exhibit, trail *stage.Trail, f *Finding) {
	q, err := dcap.Parse(e.Raw)
	if err == nil {
		err = f.readQuote(e, q)
	}
	if err != nil {
		f.Err = err
		return
	}
	roots := dcap.IntelRoots()
	if len(e.Root) > 0 {
		if roots, f.Err = parseRoots(e.Root); f.Err != nil {
			return
		}
	}
	var collateral *dcap.Collateral
	if len(e.Collateral) > 0 {
		if collateral, f.Err = dcap.ParseCollateral(e.Collateral); f.Err != nil {
			return
		}
	}
	v, err := dcap.Verify(e.Raw, collateral, dcap.Options{Roots: roots, At: e.At, Trail: trail})
	if err != nil {
		f.Err = err
		return
	}
	f.Root = "Intel (" + roots[0].Subject.CommonName + ")"
	f.TCB = tcbFields(v.TCB)
	_, f.Err = dcap.Appraise(v, dcapPolicy(e))
	noteMachine(v, f.Err, trail)
}

func (f *Finding) readQuote(e *Exhibit, q *dcap.Quote) error {
	if q.Kind == dcap.KindTDX != (e.Kind == TDX) {
		return fmt.Errorf("%w: a quote of kind %s", stage.Parse, q.Kind)
	}
	debug, data := q.Debug(), q.ReportData()
	f.Debug, f.Fields, f.data = &debug, q.Fields(), data[:]
	return nil
}

// noteMachine notes what the appraisal of the machine looked at and did not refuse. It looks at everything, unless there is nothing.
func noteMachine(v *dcap.Verified, refused error, trail *stage.Trail) {
	pass := func(is bool, s stage.Error, format string, args ...any) {
		if is && !errors.Is(refused, s) {
			trail.Pass(s, format, args...)
		}
	}
	said := "its host is kept out"
	if v.Debug() {
		said = "DEBUG, allowed by name: the host can read its memory"
	}
	pass(true, stage.Debug, "%s", said)
	t := v.TCB
	if t == nil {
		return
	}
	pass(true, stage.NoCollateral, "TCB info of evaluation %d, identity of quoting enclaves of evaluation %d", t.Evaluation, t.QEEvaluation)
	pass(true, stage.StaleCollateral, "documents and lists are current")
	pass(t.Status != "", stage.TCBNoLevel, "level of %s", t.Date.UTC().Format(time.DateOnly))
	advisories := "no advisories"
	if len(t.Advisories) > 0 {
		advisories = "advisories " + strings.Join(t.Advisories, ", ")
	}
	pass(t.Status != "", stage.TCBStatus, "%s, %s", t.Status, advisories)
}

// dcapPolicy is the one that collections assume. It asks for no date: DCAP is younger than this one.
func dcapPolicy(e *Exhibit) dcap.Policy {
	return dcap.Policy{
		Statuses:      []dcap.Status{dcap.UpToDate, dcap.SWHardeningNeeded},
		AnyAdvisory:   true,
		MinTCBDate:    time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC),
		MinEvaluation: 1,
		AllowDebug:    e.AllowDebug,
	}
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
	if len(t.Advisories) > 0 {
		out["advisory_ids"] = t.Advisories
	}
	if t.Module != "" {
		out["tdx_module"] = t.Module
	}
	return out
}

// measuredQuote is the build that a quote shows: its digest, and the measurement itself.
func measuredQuote(q *dcap.Quote) (digest, raw string) {
	if t := q.TD; t != nil {
		return string(hosted.Build(dcap.KindTDX, t.MRTD[:], t.RTMR[0][:], t.RTMR[1][:], t.RTMR[2][:], t.RTMR[3][:], t.MRConfigID[:])), hex.EncodeToString(t.MRTD[:])
	}
	return string(hosted.Build(dcap.KindSGX, q.Enclave.MREnclave[:])), hex.EncodeToString(q.Enclave.MREnclave[:])
}
